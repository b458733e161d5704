"""What other programs make of the same registers: Linux, KVM, Xen, Bochs, firmware, small hypervisors.

`programs.PROGRAMS` is the table of their differences; a `View` answers a state's questions by one of its rows. Each
way of reading has a file of its own (`exact`, `linux`, `kvm_list`, `edk2`, ...), which `ways` lists.
"""

from memtype.views.linux_map import Entry, MapCounts
from memtype.views.programs import Program
from memtype.views.view import View

__all__ = ["Entry", "MapCounts", "Program", "View"]
