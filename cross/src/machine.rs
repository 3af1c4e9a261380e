//! What is on this machine: programs, libraries, Python modules.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A view of the machine. Tests make their own of an empty folder.
pub struct Machine {
    root: PathBuf,
    folders: Vec<PathBuf>,
    libclang: Option<PathBuf>,
}

impl Machine {
    /// The machine that this runs on.
    pub fn here() -> Self {
        let path = env::var_os("PATH").unwrap_or_default();
        let mut folders: Vec<PathBuf> = env::split_paths(&path).collect();
        // Debian keeps daemons here, which is not on a user's path.
        folders.extend(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from));
        Self {
            root: PathBuf::from("/"),
            folders,
            libclang: env::var_os("LIBCLANG_PATH").map(PathBuf::from),
        }
    }

    /// A machine whose files are all below `root`.
    #[cfg(test)]
    pub fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            folders: vec![root.join("usr/bin")],
            libclang: None,
        }
    }

    /// Where a program is.
    pub fn program(&self, name: &str) -> Option<PathBuf> {
        let mut places = self.folders.iter().map(|folder| folder.join(name));
        places.find(|path| path.is_file())
    }

    /// Whether any of these programs is there.
    pub fn has_any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.program(name).is_some())
    }

    /// Whether a file is there; the path is relative to the root.
    pub fn has_file(&self, path: &str) -> bool {
        self.root.join(path).is_file()
    }

    /// Whether Python finds all these modules. It need not load them for that.
    pub fn has_modules(&self, modules: &[&str]) -> bool {
        const LOOK: &str = "import sys, importlib.util as u\n\
                            sys.exit(0 if all(map(u.find_spec, sys.argv[1:])) else 1)";
        let Some(python) = self.program("python3") else {
            return false;
        };
        Command::new(python)
            .args(["-c", LOOK])
            .args(modules)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }

    /// Whether libclang is there with the headers that it brings itself, which
    /// its runtime package alone lacks.
    pub fn has_libclang(&self) -> bool {
        if let Some(path) = &self.libclang {
            return path.is_file() || holds(path, is_libclang);
        }
        let mut folders = self.versions("usr/lib", "llvm-", "lib");
        for fixed in ["usr/lib", "usr/lib64", "usr/local/lib"] {
            folders.push(self.root.join(fixed));
        }
        folders.extend(self.versions("usr/lib", "", ""));
        let mut headers = self.versions("usr/lib/clang", "", "include");
        headers.extend(self.versions("usr/lib64/clang", "", "include"));
        for llvm in self.versions("usr/lib", "llvm-", "lib/clang") {
            headers.extend(children(&llvm).into_iter().map(|v| v.join("include")));
        }
        folders.iter().any(|folder| holds(folder, is_libclang))
            && headers.iter().any(|h| h.join("stddef.h").is_file())
    }

    /// The folders `folder/prefix*/rest`.
    fn versions(&self, folder: &str, prefix: &str, rest: &str) -> Vec<PathBuf> {
        let matches = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with(prefix))
        };
        children(&self.root.join(folder))
            .into_iter()
            .filter(matches)
            .map(|path| path.join(rest))
            .collect()
    }
}

fn children(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

fn holds(folder: &Path, wanted: fn(&str) -> bool) -> bool {
    let name = |path: &PathBuf| path.file_name()?.to_str().map(str::to_owned);
    let mut names = children(folder).into_iter().filter_map(|path| name(&path));
    names.any(|name| wanted(&name))
}

/// `libclang.so`, `libclang-14.so`, `libclang.so.1`, `libclang-14.so.14.0.6`;
/// not `libclang-cpp.so`, which is another interface.
fn is_libclang(name: &str) -> bool {
    let Some((stem, _)) = name.split_once(".so") else {
        return false;
    };
    match stem.strip_prefix("libclang") {
        Some("") => true,
        Some(version) => version
            .strip_prefix('-')
            .is_some_and(|v| v.bytes().all(|b| b.is_ascii_digit() || b == b'.')),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{Machine, is_libclang};
    use std::fs;

    #[test]
    fn libclang_by_its_names() {
        for name in [
            "libclang.so",
            "libclang-14.so.1",
            "libclang-14.0.6.so",
            "libclang.so.13",
        ] {
            assert!(is_libclang(name), "{name}");
        }
        for name in [
            "libclang-cpp.so.14",
            "libclangBasic.a",
            "libclang.a",
            "libclang_rt.so",
        ] {
            assert!(!is_libclang(name), "{name}");
        }
    }

    #[test]
    fn libclang_without_its_headers_is_not_enough() {
        let root = tempfile::tempdir().unwrap();
        let machine = Machine::at(root.path());
        assert!(!machine.has_libclang());
        let lib = root.path().join("usr/lib/llvm-14/lib");
        fs::create_dir_all(lib.join("clang/14.0.6/include")).unwrap();
        fs::write(lib.join("libclang.so.1"), "").unwrap();
        assert!(!machine.has_libclang());
        fs::write(lib.join("clang/14.0.6/include/stddef.h"), "").unwrap();
        assert!(machine.has_libclang());
    }
}
