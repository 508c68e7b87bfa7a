//! What is found out for the resource: `METERKIT_RESOURCE_DETECTORS`.

use super::declared::any_target::RESOURCE_DETECTORS;
use crate::resource::ResourceDetector;

/// One word of the list, in lower case, as the detectors that it stands for: one, or all.
pub(super) fn detectors(name: &str) -> Result<&'static [ResourceDetector], String> {
    if name == "all" {
        return Ok(ResourceDetector::ALL);
    }
    let at = ResourceDetector::ALL.iter().position(|detector| detector.name() == name);
    at.and_then(|at| ResourceDetector::ALL.get(at..=at)).ok_or_else(|| {
        let accepted = RESOURCE_DETECTORS.variable.value_type;
        format!("`{name}` is unknown; accepted: {accepted}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_detector_is_found_by_its_name() {
        for detector in ResourceDetector::ALL {
            assert_eq!(detectors(detector.name()), Ok(&[*detector][..]));
        }
    }
}
