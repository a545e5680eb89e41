"""What runs inside the root that tests/test_picamera.py builds: real libcamera and picamera2, a virtual camera."""
