"""The processor models that a machine can have, by name: what they are is `node.ia32.models`, which this must not know,
since agents check specifications and know no instructions. A test compares the two."""

CPUS = ("i686", "pentium", "pentium2", "pentium3", "pentium4")
DEFAULT_CPU = "i686"
