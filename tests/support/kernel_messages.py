"""What Linux says when something is wrong with itself or with its machine."""

import re

# In lines of the kernel's own, which begin with the time: /proc/interrupts, for one, has a line for spurious ones.
_WRONG = (
    r"[Oo]ops|\bBUG\b|WARNING|[Uu]nexpected|Call Trace|panic -|protection fault|segfault|[Ll]ockup|[Ss]tall|hung"
    r"|APIC error|MP-BIOS bug|verification failure|[Ss]purious|Unable to handle"
)
_COMPLAINT = re.compile(rf"^\[ *[\d.]+\].*(?:{_WRONG}).*$", re.MULTILINE)


def complaints(messages: str) -> list[str]:
    """The lines to worry about, of a console or of dmesg."""
    return _COMPLAINT.findall(messages)
