//! A file system of its own, in a file, and what is left of it when the power goes. Needs root and
//! loop mounts.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A mounted file system; unmounted and removed when it goes out of scope.
pub(super) struct Disk {
    dir: TempDir,
    image: PathBuf,
    mounted: bool,
}

impl Disk {
    /// An empty one of so many MiB.
    pub(super) fn new(mebibytes: u64) -> Self {
        // PostgreSQL comes here with an account of its own.
        let open = std::fs::Permissions::from_mode(0o755);
        let dir = tempfile::Builder::new().permissions(open).tempdir().expect("a directory");
        let image = dir.path().join("0.img");
        let file = std::fs::File::create(&image).expect("an image");
        file.set_len(mebibytes << 20).expect("a sparse file");
        let mut disk = Self { dir, image, mounted: false };
        std::fs::create_dir(disk.path()).expect("a place to mount it");
        run("mkfs.ext4", &["-q", "-F", text(&disk.image)]);
        disk.mount();
        disk
    }

    /// Where it is mounted.
    pub(super) fn path(&self) -> PathBuf {
        self.dir.path().join("mounted")
    }

    /// What the device holds at this moment, as a copy. Whatever the file system still keeps in
    /// memory is not in it.
    pub(super) fn copy(&self) -> PathBuf {
        let number = self.image.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
        let number = number.expect("images are numbered") + 1;
        let copy = self.dir.path().join(format!("{number}.img"));
        run("cp", &["--sparse=always", text(&self.image), text(&copy)]);
        copy
    }

    /// The power is back, and the disk is as the copy has it. Nobody may use it meanwhile.
    pub(super) fn power_on(&mut self, copy: PathBuf) {
        self.unmount();
        std::fs::remove_file(&self.image).expect("the image is there");
        self.image = copy;
        self.mount();
    }

    fn mount(&mut self) {
        run("mount", &["-o", "loop", text(&self.image), text(&self.path())]);
        self.mounted = true;
    }

    fn unmount(&mut self) {
        run("umount", &[text(&self.path())]);
        self.mounted = false;
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.mounted {
            // With a failed test's node still on it; the loop device goes with the last file.
            let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
        }
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary directories have plain names")
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
}
