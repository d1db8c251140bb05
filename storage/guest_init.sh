#!/bin/sh
# /init of Limosa's Debian images: process 1 of the guest.
# Mounts what programs expect, says that the guest is ready, and becomes busybox's init, which keeps a shell with job
# control on the console (see /etc/inittab) and answers poweroff, reboot and halt. Few forks: each costs an emulated guest.

export PATH=/bin HOME=/root TERM=vt100 PS1='limosa:\w# '

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir /dev/pts
mount -t devpts devpts /dev/pts

image=linux
read -r words </proc/cmdline
for word in $words; do
    case $word in limosa.image=*) image=${word#*=} ;; esac
done
echo "$image" >/proc/sys/kernel/hostname
echo 5 >/proc/sys/kernel/printk # from here on the console is the shell's: only warnings and worse may interrupt it

read -r uptime _ </proc/uptime
read -r release </proc/sys/kernel/osrelease
echo "limosa: $image ready after $uptime s, kernel $release"
exec init
