class Outgoing:
    pass
