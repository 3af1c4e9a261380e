//! Devices beside the CPU that could run a model, by their device nodes.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::roots::Roots;

/// What kind of device it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AcceleratorKind {
    /// An NVIDIA graphics card.
    NvidiaGpu,
    /// The GPU of an NVIDIA Jetson, which shares the CPU's memory.
    JetsonGpu,
    /// A render node of another driver.
    RenderNode,
    /// The NPU of a Rockchip chip.
    Rknpu,
    /// A Hailo module.
    Hailo,
    /// A device of the kernel's compute accelerator class.
    Accel,
}

impl fmt::Display for AcceleratorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NvidiaGpu => "NVIDIA GPU",
            Self::JetsonGpu => "Jetson GPU",
            Self::RenderNode => "render node",
            Self::Rknpu => "Rockchip NPU",
            Self::Hailo => "Hailo module",
            Self::Accel => "compute accelerator",
        })
    }
}

/// One such device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Accelerator {
    /// What kind of device it is.
    pub kind: AcceleratorKind,
    /// Where it was found.
    pub path: String,
    /// The kernel driver's name, where the kernel tells it.
    pub driver: Option<String>,
}

impl fmt::Display for Accelerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.kind, self.path)?;
        match &self.driver {
            Some(driver) => write!(f, " (driver {driver})"),
            None => Ok(()),
        }
    }
}

impl Accelerator {
    /// Looks for all of them below the root.
    pub(crate) fn find(roots: &Roots) -> Vec<Self> {
        let mut found = nvidia(roots);
        found.extend(render_nodes(roots));
        found.extend(first_of(
            roots,
            AcceleratorKind::Rknpu,
            &[
                "dev/rknpu",
                "sys/kernel/debug/rknpu",
                "sys/class/misc/rknpu",
            ],
        ));
        found.extend(numbered(roots, "dev", "hailo", AcceleratorKind::Hailo));
        found.extend(numbered(
            roots,
            "sys/class/accel",
            "accel",
            AcceleratorKind::Accel,
        ));
        found
    }

    fn at(kind: AcceleratorKind, path: &str) -> Self {
        Self {
            kind,
            path: format!("/{path}"),
            driver: None,
        }
    }
}

fn first_of(roots: &Roots, kind: AcceleratorKind, paths: &[&str]) -> Option<Accelerator> {
    let path = paths.iter().find(|path| roots.has(path))?;
    Some(Accelerator::at(kind, path))
}

/// A Jetson has its own nodes, and newer releases the desktop's as well; it is
/// one GPU all the same.
fn nvidia(roots: &Roots) -> Vec<Accelerator> {
    let jetson = first_of(
        roots,
        AcceleratorKind::JetsonGpu,
        &["dev/nvhost-gpu", "dev/nvgpu", "dev/nvmap"],
    );
    match jetson {
        Some(gpu) => vec![gpu],
        None => numbered(roots, "dev", "nvidia", AcceleratorKind::NvidiaGpu),
    }
}

fn numbered(roots: &Roots, folder: &str, stem: &str, kind: AcceleratorKind) -> Vec<Accelerator> {
    let is_one = |name: &&String| {
        name.strip_prefix(stem)
            .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    roots
        .list(folder)
        .iter()
        .filter(is_one)
        .map(|name| Accelerator::at(kind, &format!("{folder}/{name}")))
        .collect()
}

fn render_nodes(roots: &Roots) -> Vec<Accelerator> {
    let mut nodes = numbered(roots, "dev/dri", "renderD", AcceleratorKind::RenderNode);
    for node in &mut nodes {
        let name = node.path.rsplit('/').next().unwrap_or_default();
        let events = roots.read(format!("sys/class/drm/{name}/device/uevent"));
        node.driver = events.as_deref().and_then(driver).map(str::to_owned);
        // Newer kernels drive this NPU as a render node.
        if matches!(node.driver.as_deref(), Some("RKNPU" | "rocket")) {
            node.kind = AcceleratorKind::Rknpu;
        }
    }
    nodes
}

fn driver(events: &str) -> Option<&str> {
    events.lines().find_map(|line| line.strip_prefix("DRIVER="))
}

#[cfg(test)]
mod tests {
    use super::{Accelerator, AcceleratorKind};
    use crate::roots::Roots;
    use std::fs;

    fn found(files: &[(&str, &str)]) -> Vec<(AcceleratorKind, String)> {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Accelerator::find(&Roots::at(dir.path()))
            .into_iter()
            .map(|a| (a.kind, a.path))
            .collect()
    }

    #[test]
    fn control_nodes_of_a_graphics_card_are_not_cards() {
        let seen = found(&[
            ("dev/nvidia0", ""),
            ("dev/nvidiactl", ""),
            ("dev/nvidia-uvm", ""),
        ]);
        assert_eq!(
            seen,
            [(AcceleratorKind::NvidiaGpu, "/dev/nvidia0".to_owned())]
        );
    }

    #[test]
    fn a_jetson_with_both_kinds_of_nodes_has_one_gpu() {
        let seen = found(&[
            ("dev/nvidia0", ""),
            ("dev/nvmap", ""),
            ("dev/nvhost-gpu", ""),
        ]);
        assert_eq!(
            seen,
            [(AcceleratorKind::JetsonGpu, "/dev/nvhost-gpu".to_owned())]
        );
    }

    #[test]
    fn a_render_node_of_the_npu_driver_is_an_npu() {
        let seen = found(&[
            ("dev/dri/renderD129", ""),
            ("dev/dri/card0", ""),
            (
                "sys/class/drm/renderD129/device/uevent",
                "OF_NAME=npu\nDRIVER=RKNPU\n",
            ),
        ]);
        assert_eq!(
            seen,
            [(AcceleratorKind::Rknpu, "/dev/dri/renderD129".to_owned())]
        );
    }
}
