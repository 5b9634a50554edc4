//! Where the C library of a tree looks for services, and whether our library is for that machine.
//!
//! glibc loads `libnss_NAME.so.2` like any other library. In every distribution it searches the
//! directory of `libc.so.6`.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::tree::Tree;

/// The name under which glibc loads the service.
pub(crate) const SONAME: &str = "libnss_wrapper_rs.so.2";

/// Class, byte order and machine in the header of an ELF file: elf(5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Machine {
    class: u8,
    order: u8,
    machine: [u8; 2],
}

impl Machine {
    /// `None` if the file cannot be read or is no ELF file.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let mut header = [0; 20];
        // Opening a FIFO would wait for its writer.
        fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        File::open(path).ok()?.read_exact(&mut header).ok()?;
        header.starts_with(b"\x7fELF").then_some(Self {
            class: header[4],
            order: header[5],
            machine: [header[18], header[19]],
        })
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let number = if self.order == 2 {
            u16::from_be_bytes(self.machine)
        } else {
            u16::from_le_bytes(self.machine)
        };
        let name = match number {
            3 => "i386",
            8 => "mips",
            20 => "ppc",
            21 => "ppc64",
            22 => "s390",
            40 => "arm",
            62 if self.class == 1 => "x32",
            62 => "x86_64",
            183 => "aarch64",
            243 => "riscv",
            258 => "loongarch",
            other => return write!(f, "machine {other}"),
        };
        f.write_str(name)
    }
}

/// The directory for a library of that machine.
pub(crate) fn of(tree: &Tree, machine: Machine) -> Result<PathBuf, String> {
    let mut others = Vec::new();
    for dir in directories(tree) {
        match Machine::of(&dir.join("libc.so.6")) {
            Some(libc) if libc == machine => return Ok(dir),
            Some(libc) => others.push(libc.to_string()),
            None => {}
        }
    }
    others.dedup();
    Err(if !others.is_empty() {
        format!("the C library here is for {}, the library for {machine}", others.join(", "))
    } else if has_musl(tree) {
        "the C library here is musl, which knows no NSS services; preloading works with it: \
         LD_PRELOAD, or nss-wrapper without --install-service"
            .to_owned()
    } else {
        "there is no libc.so.6 here whose services could be added to".to_owned()
    })
}

/// The directories that can have `libc.so.6`, with those of Debian's multiarch first.
pub(crate) fn directories(tree: &Tree) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let places = ["/lib", "/usr/lib", "/lib64", "/usr/lib64", "/lib32", "/usr/lib32", "/libx32"];
    let places = places.map(|place| tree.find(Path::new(place)));
    for place in places.iter().flatten() {
        let entries = fs::read_dir(place).into_iter().flatten().flatten();
        let is_multiarch = |path: &PathBuf| path.to_string_lossy().contains("-linux-");
        let mut dirs: Vec<_> = entries.map(|entry| entry.path()).filter(is_multiarch).collect();
        dirs.sort();
        found.extend(dirs);
    }
    found.extend(places.into_iter().flatten());
    // For systems with another layout: the directory of the C library that runs this program.
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let mapped = maps.lines().filter_map(|line| line.split_once('/')?.1.strip_suffix("/libc.so.6"));
    found.extend(
        mapped.take(1).filter(|_| tree.is_running_system()).map(|p| Path::new("/").join(p)),
    );
    found
}

fn has_musl(tree: &Tree) -> bool {
    let places = ["/lib", "/usr/lib"].map(|place| tree.find(Path::new(place)));
    let entries = places.into_iter().flatten().filter_map(|place| fs::read_dir(place).ok());
    entries.flatten().flatten().any(|entry| {
        let name = entry.file_name();
        name.to_string_lossy().starts_with("ld-musl-")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elf(class: u8, machine: u8) -> [u8; 20] {
        let mut header = [0; 20];
        header[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', class, 1]);
        header[18] = machine;
        header
    }

    #[test]
    fn the_directory_is_that_of_the_c_library_for_the_same_machine() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let root = dir.path().canonicalize().expect("it exists");
        let tree = Tree::new(Some(&root)).expect("a directory");
        let put = |path: &str, header: &[u8]| {
            let path = root.join(path);
            fs::create_dir_all(path.parent().expect("it has one")).expect("ours");
            fs::write(path, header).expect("ours");
        };
        let library = root.join("library");
        fs::write(&library, elf(2, 62)).expect("ours");
        let machine = Machine::of(&library).expect("an ELF file");
        assert_eq!(machine.to_string(), "x86_64");
        let refused = || of(&tree, machine).expect_err("refused");
        assert!(refused().starts_with("there is no libc.so.6"));
        put("lib/ld-musl-x86_64.so.1", &[]);
        assert!(refused().contains("is musl"), "{}", refused());
        put("lib/i386-linux-gnu/libc.so.6", &elf(1, 3));
        put("lib64/libc.so.6", b"/* a script of the linker */");
        assert_eq!(refused(), "the C library here is for i386, the library for x86_64");
        put("usr/lib/x86_64-linux-gnu/libc.so.6", &elf(2, 62));
        assert_eq!(of(&tree, machine), Ok(root.join("usr/lib/x86_64-linux-gnu")));
    }
}
