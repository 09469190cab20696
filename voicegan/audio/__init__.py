"""Sound and its pictures: files, resampling, the mel contract, pitch, loudness and alignment.

Whatever is said in hertz, decibels or mel bands is said here; networks are not.
"""
