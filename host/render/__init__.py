"""Films of what pilots look at, made offline: any tub, video, folder of images or session × any pilot.

The only part of the host that needs what the car needs: numpy, OpenCV, TFLite. Nothing else in `host` may import it
at its top.
"""
