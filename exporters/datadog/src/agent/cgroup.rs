//! The control group of the process, by which an agent finds the container if the process does not know its container
//! id.
//!
//! The id is unknown in a private cgroup namespace, which is the default with cgroup version 2: `/proc/self/cgroup`
//! shows only `/` there. The lookup is the same as in Datadog's own clients.

/// Returns the inode of the directory of the process's control group. Returns `None` outside of a container, or if
/// the directory cannot be read.
#[cfg(target_os = "linux")]
pub(crate) fn inode() -> Option<u64> {
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    let namespace = fs::metadata("/proc/self/ns/cgroup").ok().map(|file| file.ino());
    let groups = meterkit_settings::read_small_file("/proc/self/cgroup".as_ref(), 1 << 20).ok()?;
    let groups = String::from_utf8(groups).ok()?;
    linux::inode(namespace, &groups, "/sys/fs/cgroup".as_ref())
}

/// Returns `None`: only Linux has control groups.
#[cfg(not(target_os = "linux"))]
pub(crate) fn inode() -> Option<u64> {
    None
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;

    /// The inode of the initial cgroup namespace: `PROC_CGROUP_INIT_INO` in the kernel.
    const OF_THE_HOST: u64 = 0xEFFF_FFFB;

    /// The controllers whose control group is that of the container: `memory` in version 1, an empty name in version
    /// 2.
    const CONTROLLERS: [&str; 2] = ["memory", ""];

    /// The lowest inode of a control group's directory. Lower ones are roots of file systems.
    const LOWEST: u64 = 3;

    /// Returns the inode of the control group. `groups` is the content of `/proc/self/cgroup`, and the groups are
    /// mounted at `mount`.
    ///
    /// Returns `None` in the namespace of the host, where the path contains the container id if there is a container.
    pub(super) fn inode(namespace: Option<u64>, groups: &str, mount: &Path) -> Option<u64> {
        if namespace == Some(OF_THE_HOST) {
            return None;
        }
        CONTROLLERS.into_iter().find_map(|controller| {
            // A group outside of the namespace, with a path such as `/../…`, is not mounted.
            let path = path_of(controller, groups).filter(|path| !path.contains("/.."))?;
            let directory = mount.join(controller).join(path.trim_start_matches('/'));
            let inode = fs::metadata(directory).ok()?.ino();
            (inode >= LOWEST).then_some(inode)
        })
    }

    /// Returns the path of a controller's group. Each line is `number:controllers:path`.
    fn path_of<'a>(controller: &str, groups: &'a str) -> Option<&'a str> {
        groups.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            let is_it = fields.next()? == controller;
            fields.next().filter(|_| is_it)
        })
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        const OWN: Option<u64> = Some(4_026_532_600);

        /// Creates directories below a mount point, and returns the one whose inode is found for the process.
        fn found(namespace: Option<u64>, groups: &str, directories: &[&str]) -> Option<String> {
            let mount = tempfile::tempdir().expect("a temporary directory");
            for directory in directories {
                fs::create_dir_all(mount.path().join(directory)).expect("room for it");
            }
            let inode = inode(namespace, groups, mount.path())?;
            let is_it = |it: &&&str| {
                fs::metadata(mount.path().join(it)).is_ok_and(|file| file.ino() == inode)
            };
            directories.iter().find(is_it).map(|it| (*it).to_owned())
        }

        #[test]
        fn a_namespace_of_its_own_has_the_containers_group_at_its_root() {
            assert_eq!(found(OWN, "0::/\n", &["."]).as_deref(), Some("."));
            assert_eq!(found(OWN, "0::/app:1\n", &[".", "app:1"]).as_deref(), Some("app:1"));
            // Without information about namespaces, the path is used.
            assert_eq!(found(None, "0::/app\n", &["app"]).as_deref(), Some("app"));
        }

        #[test]
        fn of_version_1_it_is_the_group_of_memory() {
            let groups = "12:cpu,cpuacct:/\n4:memory:/\n0::/\n";
            assert_eq!(found(OWN, groups, &[".", "cpu", "memory"]).as_deref(), Some("memory"));
            let groups = "4:memory:/a\n0::/b\n";
            assert_eq!(found(OWN, groups, &["memory/a", "b"]).as_deref(), Some("memory/a"));
            assert_eq!(found(OWN, groups, &["b"]).as_deref(), Some("b"), "nothing else is mounted");
        }

        #[test]
        fn on_the_host_or_without_information_there_is_none() {
            let here = &[".", "a"];
            assert_eq!(found(Some(OF_THE_HOST), "0::/a\n", here), None);
            for groups in ["", "0::/b\n", "0::/../a\n", "3:cpu:/\n", "0:/\n", "\0"] {
                assert_eq!(found(OWN, groups, here), None, "{groups:?}");
            }
            // The root of `/proc` has inode 1.
            assert_eq!(inode(OWN, "0::/\n", "/proc".as_ref()), None);
        }
    }
}
