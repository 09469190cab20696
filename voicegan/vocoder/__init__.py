"""From log-mel back to sound, behind one small protocol that every vocoder keeps."""
