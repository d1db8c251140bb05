class Incoming:
    pass
