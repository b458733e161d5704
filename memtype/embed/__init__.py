"""Thin adapters: what other tools hold becomes a `Machine`, a `Cpu` or a page-table leaf. One module per tool.

``msr``
    any function ``index -> value``, one per processor
``chipsec``, ``drgn``, ``volatility3``
    objects of those packages, each imported only when its adapter is called
``qemu``, ``libvirt``, ``cloud_hypervisor``
    a QMP client's ``execute``, a libvirt domain, a snapshot's JSON
``kvm``
    the KVM API of this host: a virtual machine whose MSRs are set and read

Nothing here writes a register of the host; `kvm` writes those of the virtual machine that it made itself.
"""
