//! The control group of the process, by which an agent finds the container where the process does not know its id.
//!
//! That is so in a namespace of its own, which control groups of version 2 have by default: `/proc/self/cgroup` says
//! `/` there. Read as Datadog's own clients read it.

/// The inode of the directory of the process's control group; none outside of a container, and where it cannot be read.
#[cfg(target_os = "linux")]
pub(crate) fn inode() -> Option<u64> {
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    let namespace = fs::metadata("/proc/self/ns/cgroup").ok().map(|file| file.ino());
    let groups = meterkit_settings::read_small_file("/proc/self/cgroup".as_ref(), 1 << 20).ok()?;
    let groups = String::from_utf8(groups).ok()?;
    linux::inode(namespace, &groups, "/sys/fs/cgroup".as_ref())
}

/// There are no control groups.
#[cfg(not(target_os = "linux"))]
pub(crate) fn inode() -> Option<u64> {
    None
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;

    /// The namespace that the kernel begins with: `PROC_CGROUP_INIT_INO`.
    const OF_THE_HOST: u64 = 0xEFFF_FFFB;

    /// What holds the container's group: the controller of version 1, or version 2, which names none.
    const CONTROLLERS: [&str; 2] = ["memory", ""];

    /// Below this are no directories of groups, but roots of file systems.
    const LOWEST: u64 = 3;

    /// `groups` is what `/proc/self/cgroup` says, of groups that are mounted at `mount`.
    ///
    /// In the namespace of the host, the path there has the container's id if there is a container.
    pub(super) fn inode(namespace: Option<u64>, groups: &str, mount: &Path) -> Option<u64> {
        if namespace == Some(OF_THE_HOST) {
            return None;
        }
        CONTROLLERS.into_iter().find_map(|controller| {
            // A group outside of the namespace, `/../…`, is not mounted.
            let path = path_of(controller, groups).filter(|path| !path.contains("/.."))?;
            let directory = mount.join(controller).join(path.trim_start_matches('/'));
            let inode = fs::metadata(directory).ok()?.ino();
            (inode >= LOWEST).then_some(inode)
        })
    }

    /// Each line is `number:controllers:path`.
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

        /// Directories below a mount, and the inode of the one that the process is said to be in.
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
            // A kernel that says nothing of namespaces has the path.
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
        fn on_the_host_or_where_it_cannot_be_told_there_is_none() {
            let here = &[".", "a"];
            assert_eq!(found(Some(OF_THE_HOST), "0::/a\n", here), None);
            for groups in ["", "0::/b\n", "0::/../a\n", "3:cpu:/\n", "0:/\n", "\0"] {
                assert_eq!(found(OWN, groups, here), None, "{groups:?}");
            }
            // The root of a file system of processes is 1.
            assert_eq!(inode(OWN, "0::/\n", "/proc".as_ref()), None);
        }
    }
}
