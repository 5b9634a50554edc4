//! Link arguments that make one file load under every libc, and the C header.
//!
//! The library has no `DT_NEEDED`: every symbol that it refers to is in the program's own libc, glibc or musl.
//! rustc passes `-lc` and `-lgcc_s` nevertheless, so empty archives of those names come first in the search path.
#![allow(clippy::disallowed_methods, reason = "a build script, not the library")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

const HEADER: &str = "include/nss_wrapper_rs.h";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=cbindgen.toml");
    println!("cargo:rerun-if-changed=src");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    stand_ins(&out);
    header(&out);
}

fn stand_ins(out: &Path) {
    for name in
        ["libc.a", "libgcc_s.a", "libutil.a", "librt.a", "libpthread.a", "libm.a", "libdl.a"]
    {
        fs::write(out.join(name), b"!<arch>\n").expect("OUT_DIR is writable");
    }
    let takes_lld = takes_lld(out);
    for arg in [
        &format!("-L{}", out.display()),
        "-nostdlib",
        // glibc finds NSS modules by this name, and takes the library that is already loaded.
        "-Wl,-soname,libnss_wrapper_rs.so.2",
        // Never unloaded, not even by dlclose(3): libc keeps the address of a pthread key's destructor.
        "-Wl,-z,nodelete",
        "-Wl,-z,now",
        "-Wl,-z,relro",
        // In the order of the sections, relocations with a symbol come before that of the thread-local memory, which has
        // none. musl, which refuses that one where the library is opened late, names the last symbol before it in its
        // message, and crashes if there was none.
        "-Wl,-z,nocombreloc",
        "-Wl,-z,noexecstack",
        // The loader need not look for the functions that the library itself calls.
        "-Wl,-Bsymbolic-functions",
        // Every loader since glibc 2.5 and musl 0.9 knows it, and some no other.
        "-Wl,--hash-style=gnu",
        "-Wl,--build-id=none",
    ]
    .into_iter()
    .chain(few_pages(takes_lld).iter().copied())
    {
        println!("cargo:rustc-link-arg-cdylib={arg}");
    }
    link_order(out, takes_lld);
    // On 32-bit ARM the tables for unwinding refer to these. Nothing unwinds, and libgcc is not linked.
    if env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "arm") {
        for personality in 0..3 {
            println!(
                "cargo:rustc-link-arg-cdylib=-Wl,--defsym=__aeabi_unwind_cpp_pr{personality}=0"
            );
        }
    }
}

/// Puts constants and code into one segment, and makes the two segments of data begin with a page, because each
/// mapping and each page that is written to costs time at the start of every process. Without the latter the data
/// may lie across two pages. Code that runs rarely lies together, as does most of a first lookup. The arguments
/// depend on the linker that rustc uses.
fn few_pages(takes_lld: bool) -> &'static [&'static str] {
    if takes_lld {
        &[
            "-Wl,--no-rosegment",
            "-Wl,-z,separate-loadable-segments",
            "-Wl,-z,keep-text-section-prefix",
        ]
    } else {
        &["-Wl,-z,noseparate-code"]
    }
}

/// Puts the functions that run at the start of a process and in its first lookup side by side, after the tables that
/// the loader reads, and the variables that these write to on the page that the loader writes to. `link-order.txt`,
/// which ci/link-order makes, names the functions. Others, or those that have another name in a build, stay where
/// they are.
fn link_order(out: &Path, takes_lld: bool) {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    println!("cargo:rerun-if-changed=link-order.txt");
    let list = fs::read_to_string(root.join("link-order.txt")).expect("link-order.txt is readable");
    let names = list.lines().filter(|line| !line.starts_with('#'));
    let functions: String =
        names.map(|name| format!("*(.text.{name} .text.unlikely.{name})\n")).collect();
    // lld puts constants before code, GNU ld after it. lld sorts `.eh_frame_hdr` by unsigned distances, so an unwinder
    // that searches it finds no function if one is before that section.
    let behind_the_tables = if takes_lld { ".eh_frame" } else { ".text" };
    let script = format!(
        "SECTIONS {{ .text.first : {{\n*(.text.startup .text.startup.*)\n{functions}}} }}\n\
         INSERT BEFORE {behind_the_tables};\n\
         SECTIONS {{ .data.last : {{ *(.data.*8registry5FIRST*) *(.data.*_raw2FN* .data.*15SINGLE_THREADED* .data.*13CLOCK_GETTIME* .data.*7OF_LIBC*) }} }}\nINSERT AFTER .data;\n"
    );
    let path = out.join("link-order.ld");
    fs::write(&path, script).expect("OUT_DIR is writable");
    println!("cargo:rustc-link-arg-cdylib=-Wl,-T,{}", path.display());
}

/// True if rustc links the library with lld.
fn takes_lld(out: &Path) -> bool {
    let rustc = env::var_os("RUSTC").expect("cargo sets RUSTC");
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let asked = Command::new(rustc)
        .args(["-", "--crate-type=cdylib", "--crate-name=asked", "--print=link-args", "--target"])
        .arg(env::var_os("TARGET").expect("cargo sets TARGET"))
        .args(flags.split('\u{1f}').filter(|flag| !flag.is_empty()))
        .arg("--out-dir")
        .arg(out)
        .stdin(Stdio::null())
        .output()
        .expect("rustc runs");
    _ = fs::remove_file(out.join("libasked.so"));
    String::from_utf8_lossy(&asked.stdout).contains("-fuse-ld=lld")
}

/// Writes the header to `OUT_DIR`, and to `include/` when `NSS_WRAPPER_RS_HEADER=write` asks for
/// it; a test compares the two.
fn header(out: &Path) {
    println!("cargo:rerun-if-env-changed=NSS_WRAPPER_RS_HEADER");
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let config = cbindgen::Config::from_file("cbindgen.toml").expect("cbindgen.toml is readable");
    let bindings = cbindgen::Builder::new()
        .with_src(Path::new(&root).join("src/interpose/wrapper.rs"))
        .with_config(config)
        .generate()
        .expect("cbindgen understands src/interpose/wrapper.rs");
    let made = out.join("nss_wrapper_rs.h");
    bindings.write_to_file(&made);
    if env::var_os("NSS_WRAPPER_RS_HEADER").is_some_and(|v| v == "write") {
        bindings.write_to_file(HEADER);
    }
    println!("cargo:rustc-env=NSS_WRAPPER_RS_HEADER_MADE={}", made.display());
}
