//! The id of the container, from Linux's control groups and mounts.

use super::surroundings::Surroundings;
use super::{Attribute, attribute};

/// Files that container runtimes create per container and mount into it.
const MOUNTED: [&str; 3] = ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"];

pub(super) fn detect(around: &Surroundings<'_>) -> Vec<Attribute> {
    let by_group = || id_in_groups(&around.file("/proc/self/cgroup")?);
    let by_mount = || id_in_mounts(&around.file("/proc/self/mountinfo")?);
    let id = by_group().or_else(by_mount);
    id.map(|id| attribute("container.id", id)).into_iter().collect()
}

/// Returns the id in `/proc/self/cgroup`, which has one line per hierarchy, `number:controllers:path`. Version 2 of
/// control groups has a single line, whose path is meaningful only without a cgroup namespace.
fn id_in_groups(text: &str) -> Option<String> {
    let paths = text.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    // The process runs in the innermost container.
    let mut ids = paths.filter_map(|path| path.rsplit('/').find_map(id_in_group));
    ids.next().map(str::to_owned)
}

/// Returns the id in one component of a path: `<id>`, `docker-<id>.scope`, `….slice:cri-containerd:<id>`.
fn id_in_group(part: &str) -> Option<&str> {
    let part = part.rsplit(':').next().unwrap_or(part);
    let unit = part.strip_suffix(".scope").unwrap_or(part);
    // Amazon's ECS writes task and container, and both together are the id.
    if unit.split_once('-').is_some_and(|(task, number)| is_hex(task, 32) && is_number(number)) {
        return Some(unit);
    }
    // The cgroup of Podman's monitor is not the container's.
    let id = unit.rsplit('-').next().filter(|_| !unit.contains("-conmon-"))?;
    is_hex(id, 64).then_some(id)
}

/// Returns the id in `/proc/self/mountinfo`: the host directory from which the runtime mounts its files. The directory
/// of a pod's sandbox is ignored.
fn id_in_mounts(text: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        let mut parts = root.split('/');
        let is_one = MOUNTED.contains(&point)
            && parts.any(|part| matches!(part, "containers" | "overlay-containers"));
        let id = parts.find(|part| is_hex(part, 64)).filter(|_| is_one)?;
        Some(id.to_owned())
    })
}

fn is_hex(text: &str, length: usize) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() == length && text.bytes().all(is_digit)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3f9a0c5b7d1e2f4a6b8c0d9e1f2a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c";
    const OTHER: &str = "00000000000000000000000000000000000000000000000000000000000000aa";

    fn detected(groups: Option<String>, mounts: Option<String>) -> Option<String> {
        let file = |path: &std::path::Path| {
            if path.ends_with("cgroup") { groups.clone() } else { mounts.clone() }
        };
        let detected = detect(&Surroundings::new(&|_| None, &file, &|_| None));
        detected.first().map(|(key, value)| {
            assert_eq!(key, "container.id");
            value.to_string()
        })
    }

    #[test]
    fn groups_of_each_runtime_give_the_id() {
        for path in [
            format!("12:memory:/docker/{ID}"),
            format!("1:name=systemd:/system.slice/docker-{ID}.scope"),
            format!("0::/system.slice/docker-{ID}.scope"),
            format!("0::/../docker-{ID}.scope"),
            format!("4:cpu:/kubepods/burstable/pod7a1c/{ID}"),
            format!("0::/kubepods.slice/kubepods-pod7a1c.slice/cri-containerd-{ID}.scope"),
            format!("0::/kubepods.slice/kubepods-pod7a1c.slice/crio-{ID}.scope"),
            format!(
                "3:pids:/system.slice/containerd.service/kubepods-pod7.slice:cri-containerd:{ID}"
            ),
            format!("0::/machine.slice/libpod-{ID}.scope"),
            format!("0::/machine.slice/libpod-{ID}.scope/container"),
            format!("2:cpu:/docker/{ID}/system.slice/shop.service"),
            format!("2:cpu:/docker/{OTHER}/docker/{ID}"),
        ] {
            assert_eq!(detected(Some(path.clone()), None).as_deref(), Some(ID), "{path}");
        }
    }

    #[test]
    fn a_task_of_ecs_is_known_by_task_and_container() {
        let id = "4f2d3c1b0a9e8d7c6b5a493827160f5e-2316573940";
        let text = format!("9:perf_event:/ecs/4f2d3c1b0a9e8d7c6b5a493827160f5e/{id}");
        assert_eq!(detected(Some(text), None).as_deref(), Some(id));
    }

    #[test]
    fn the_first_line_with_an_id_counts() {
        let text = format!(
            "11:blkio:/\n10:cpu:/user.slice\n9:memory:/docker/{ID}\n8:pids:/docker/{OTHER}"
        );
        assert_eq!(detected(Some(text), None).as_deref(), Some(ID));
    }

    #[test]
    fn mounts_give_the_id_where_groups_have_a_namespace_of_their_own() {
        let groups = Some("0::/\n".to_owned());
        for root in [
            format!("/var/lib/docker/containers/{ID}/hostname"),
            format!("/docker/containers/{ID}/hostname"),
            format!("/containers/storage/overlay-containers/{ID}/userdata/hostname"),
        ] {
            let mounts = format!(
                "611 610 0:53 / / rw,relatime - overlay overlay rw\n\
                 628 611 254:1 {root} /etc/hostname rw,relatime - ext4 /dev/vda1 rw"
            );
            assert_eq!(detected(groups.clone(), Some(mounts)).as_deref(), Some(ID), "{root}");
        }
    }

    #[test]
    fn paths_without_a_container_have_no_id() {
        let short = &ID[..63];
        for (groups, mounts) in [
            (None, None),
            (Some("0::/\n".to_owned()), None),
            (Some("0::/user.slice/user-1000.slice/session-3.scope".to_owned()), None),
            (Some(format!("0::/machine.slice/libpod-conmon-{ID}.scope")), None),
            (Some(format!("1:cpu:/docker/{short}")), None),
            (Some(format!("1:cpu:/docker/{}", ID.to_uppercase())), None),
            (Some("nonsense\n::\n\n".to_owned()), Some("too few fields".to_owned())),
            // The directories of a pod's sandbox, of a user's mount, and of a mount at another path.
            (
                None,
                Some(format!("1 2 0:3 /cri/sandboxes/{ID}/hostname /etc/hostname rw - ext4 a b")),
            ),
            (None, Some(format!("1 2 0:3 /srv/{ID}/hostname /etc/hostname rw - ext4 a b"))),
            (None, Some(format!("1 2 0:3 /var/lib/docker/containers/{ID}/x /mnt/x rw - ext4 a b"))),
        ] {
            assert_eq!(detected(groups.clone(), mounts.clone()), None, "{groups:?} {mounts:?}");
        }
    }
}
