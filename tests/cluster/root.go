package main

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// kernelTunables is what the kubelet wants of the kernel, for the whole machine. It leaves
// alone what it finds as wanted, so it is shown that, and the host stays as it was.
var kernelTunables = map[string]string{
	"vm/overcommit_memory":      "1",
	"vm/panic_on_oom":           "0",
	"kernel/panic":              "10",
	"kernel/panic_on_oops":      "1",
	"kernel/keys/root_maxkeys":  "1000000",
	"kernel/keys/root_maxbytes": "25000000",
}

// enterPrivateRoot moves this process to a root of its own: the host's folders where they
// are, but empty /run, /tmp and /var, so that sockets, locks and mounts of the node meet
// nobody else's and are gone when its last process is. Binds says which folder of the
// host appears where.
func enterPrivateRoot(binds map[string]string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	root := "/run"
	if err := unix.Mount("tmpfs", root, "tmpfs", 0, "mode=0755"); err != nil {
		return fmt.Errorf("mounting the new root: %w", err)
	}
	entries, err := os.ReadDir("/")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := shareEntry(root, entry); err != nil {
			return fmt.Errorf("/%s: %w", entry.Name(), err)
		}
	}
	for _, dir := range []string{"old", "proc", "run", "tmp", "var/lib", "var/log", "var/tmp"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
	}
	if err := os.Symlink("/run", filepath.Join(root, "var/run")); err != nil {
		return err
	}
	for _, dir := range []string{"tmp", "var/tmp"} {
		if err := os.Chmod(filepath.Join(root, dir), os.ModeSticky|0o777); err != nil {
			return err
		}
	}
	for target, source := range binds {
		if err := bind(source, filepath.Join(root, target)); err != nil {
			return err
		}
	}
	if err := unix.PivotRoot(root, filepath.Join(root, "old")); err != nil {
		return fmt.Errorf("changing the root: %w", err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	if err := unix.Unmount("/old", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leaving the old root: %w", err)
	}
	if err := os.Remove("/old"); err != nil {
		return err
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mounting /proc: %w", err)
	}
	if err := showTunables("/run/tunables"); err != nil {
		return err
	}
	// The kubelet and containerd expect mounts made by one to reach the other.
	return unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, "")
}

func showTunables(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	for name, value := range kernelTunables {
		file := filepath.Join(dir, filepath.Base(name))
		if err := os.WriteFile(file, []byte(value+"\n"), 0o644); err != nil {
			return err
		}
		if err := unix.Mount(file, filepath.Join("/proc/sys", name), "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("/proc/sys/%s: %w", name, err)
		}
	}
	return nil
}

// bind makes one folder appear at another place, which need not exist yet.
func bind(source, target string) error {
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(source, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("mounting %s: %w", source, err)
	}
	return nil
}

// shareEntry makes one entry of the host's root appear in the new one.
func shareEntry(root string, entry os.DirEntry) error {
	source, target := filepath.Join("/", entry.Name()), filepath.Join(root, entry.Name())
	switch entry.Name() {
	case "proc", "run", "tmp", "var":
		return nil
	}
	switch {
	case entry.Type()&os.ModeSymlink != 0:
		link, err := os.Readlink(source)
		if err != nil {
			return err
		}
		return os.Symlink(link, target)
	case entry.IsDir():
		return bind(source, target)
	}
	return nil
}
