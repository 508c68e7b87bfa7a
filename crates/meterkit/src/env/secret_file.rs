//! Secrets in files, as orchestrators mount them.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// No secret is longer; a path may be that of a device without end.
const MAX_LENGTH: u64 = 64 * 1024;

/// The text of the file, without the line end at its end. The error does not quote it.
pub(super) fn read(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_LENGTH + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("the file cannot be read: {error}"))?;
    if bytes.len() as u64 > MAX_LENGTH {
        return Err(format!(
            "the file has more than {MAX_LENGTH} bytes; name one with the secret alone"
        ));
    }
    let text = String::from_utf8(bytes).map_err(|_| "the file is not UTF-8".to_owned())?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.trim().is_empty() {
        // A secret that was not mounted would else be a metric that goes nowhere.
        return Err("the file is empty; write the secret into it, or unset the variable".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_bytes(bytes: &[u8]) -> Result<String, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        read(file.path())
    }

    #[test]
    fn one_line_end_is_cut() {
        for (bytes, text) in [
            ("hunter2", "hunter2"),
            ("hunter2\n", "hunter2"),
            ("hunter2\r\n", "hunter2"),
            (" hunter2 \n\n", " hunter2 \n"),
            ("a=1\nb=2\n", "a=1\nb=2"),
        ] {
            assert_eq!(read_bytes(bytes.as_bytes()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn what_is_no_secret_is_told_without_its_content() {
        let long = "hunter2".repeat(10_000);
        for (bytes, problem) in [
            (&b""[..], "the file is empty; write"),
            (b" \r\n", "the file is empty; write"),
            (b"hunter2\xff", "not UTF-8"),
            (long.as_bytes(), "more than 65536 bytes"),
        ] {
            let text = read_bytes(bytes).unwrap_err();
            assert!(text.contains(problem) && !text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_told_with_the_systems_words() {
        let directory = tempfile::tempdir().unwrap();
        for path in [directory.path().join("none"), directory.path().to_owned()] {
            let text = read(&path).unwrap_err();
            assert!(text.starts_with("the file cannot be read: "), "{text}");
        }
    }
}
