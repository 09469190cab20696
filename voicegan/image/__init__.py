"""The image family: adversarial systems on pictures, trained by the same core as the voices."""
