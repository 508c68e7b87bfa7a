//! Values that nobody is to see, and files that hold them.

use std::fs;

use super::*;

const SECRET: &str = "5ecre7-value";

fn secrets() -> impl Iterator<Item = &'static Variable> {
    variables().filter(|variable| variable.is_secret)
}

/// A file with this content, which is there as long as the first of the two is.
fn file(content: impl AsRef<[u8]>) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    fs::write(&path, content).unwrap();
    let path = path.into_os_string().into_string().unwrap();
    (directory, path)
}

/// All that can be shown of what was wrong.
fn shown(env: Environment) -> String {
    let error = EnvError { problems: env.into_problems() };
    format!("{error} {error:?} {:?}", crate::Error::from(error.clone()))
}

#[test]
fn there_are_secrets_to_test_with() {
    assert!(secrets().count() >= 6);
}

#[test]
fn no_problem_shows_the_value_of_a_secret() {
    for variable in secrets() {
        let env = environment(&[(variable.name, SECRET)]);
        assert_eq!(env.text(variable).as_deref(), Some(SECRET));
        env.refuse(VariableError::new(variable.name, SECRET, "copy it again"));
        let text = shown(env);
        assert!(text.starts_with(&format!("{}: copy it again", variable.name)), "{text}");
        assert!(!text.contains(SECRET), "{text}");
    }
}

#[test]
#[cfg(unix)]
fn a_secret_that_is_not_utf_8_is_not_shown_either() {
    use std::os::unix::ffi::OsStringExt;
    for variable in secrets() {
        let value = OsString::from_vec([SECRET.as_bytes(), b"\xff"].concat());
        let env = Environment::new([(variable.name.into(), value)]);
        assert_eq!(env.text(variable), None);
        let text = shown(env);
        assert!(text.starts_with(&format!("{}: is not UTF-8", variable.name)), "{text}");
        assert!(!text.contains(SECRET), "{text}");
    }
}

#[test]
#[cfg(unix)]
fn a_url_that_is_not_utf_8_may_hold_a_password() {
    use std::os::unix::ffi::OsStringExt;
    for variable in variables().filter(|variable| variable.value_type == ValueType::Url) {
        let value = OsString::from_vec(b"http://me:5ecre7-value@c/\xff".to_vec());
        let env = Environment::new([(variable.name.into(), value)]);
        assert_eq!(env.text(variable), None);
        let text = shown(env);
        assert!(text.starts_with(&format!("{}=`...`: is not UTF-8", variable.name)), "{text}");
        assert!(!text.contains(SECRET), "{text}");
    }
}

#[test]
fn a_secret_can_stand_in_a_file() {
    let (_directory, path) = file(format!("{SECRET}\n"));
    for variable in secrets() {
        let file_name = variable.file_name().unwrap();
        assert_eq!(file_name, format!("{}_FILE", variable.name));
        for own in [None, Some((variable.name, "")), Some((variable.name, " "))] {
            let env = environment(&[&[(&*file_name, &*path)][..], own.as_slice()].concat());
            assert_eq!(env.text(variable).as_deref(), Some(SECRET), "{file_name}");
            assert_eq!(env.set_as(variable).as_deref(), Some(&*file_name));
            assert_eq!(env.into_problems(), []);
        }
    }
}

#[test]
fn a_file_that_is_not_named_is_not_read() {
    for variable in secrets() {
        let file_name = variable.file_name().unwrap();
        let env = environment(&[(variable.name, SECRET), (&file_name, " ")]);
        assert_eq!(env.text(variable).as_deref(), Some(SECRET));
        assert_eq!(env.set_as(variable).as_deref(), Some(variable.name));
        assert_eq!(env.into_problems(), []);
    }
}

#[test]
fn what_is_no_secret_stands_in_no_file() {
    let (_directory, path) = file("text");
    for variable in variables().filter(|variable| !variable.is_secret) {
        assert_eq!(variable.file_name(), None);
        let env = environment(&[(&format!("{}_FILE", variable.name), &*path)]);
        assert_eq!((env.text(variable), env.set_as(variable)), (None, None), "{}", variable.name);
    }
}

#[test]
fn a_secret_that_is_set_twice_is_a_problem() {
    let (_directory, path) = file(SECRET);
    for variable in secrets() {
        let file_name = variable.file_name().unwrap();
        let env = environment(&[(variable.name, SECRET), (&file_name, &path)]);
        assert_eq!((env.text(variable), env.text(variable)), (None, None));
        let text = shown(env);
        let expected = format!("{file_name}: is set, and {} too; keep one of them", variable.name);
        assert!(text.starts_with(&expected) && !text.contains(SECRET), "{text}");
    }
}

#[test]
fn a_file_that_cannot_be_used_is_named_but_not_quoted() {
    for content in [&b""[..], b"\n", b"5ecre7-value\xff"] {
        let (_directory, path) = file(content);
        for variable in secrets() {
            let file_name = variable.file_name().unwrap();
            let env = environment(&[(&file_name, &*path)]);
            assert_eq!((env.text(variable), env.text(variable)), (None, None));
            let text = shown(env);
            assert!(text.starts_with(&format!("{file_name}=`{path}`: the file is ")), "{text}");
            assert!(!text.contains(SECRET) && !text.contains("problems in"), "{text}");
        }
    }
    let (directory, path) = file("");
    drop(directory);
    for variable in secrets() {
        let file_name = variable.file_name().unwrap();
        let env = environment(&[(&file_name, &*path)]);
        assert_eq!(env.text(variable), None);
        let text = shown(env);
        assert!(text.starts_with(&format!("{file_name}=`{path}`: the file cannot be read: ")));
    }
}

#[test]
fn what_is_wrong_with_the_content_of_a_file_names_the_file() {
    let (_directory, path) = file(SECRET);
    for variable in secrets() {
        let file_name = variable.file_name().unwrap();
        let env = environment(&[(&file_name, &*path)]);
        // As the crate of a target would, which knows nothing of files.
        for _ in 0..2 {
            env.refuse(VariableError::secret(variable.name, "holds white space"));
        }
        let text = shown(env);
        let expected = format!("{file_name}=`{path}`: holds white space");
        assert!(text.starts_with(&expected) && !text.contains("problems in"), "{text}");
    }
}

#[test]
fn a_file_is_read_once() {
    let (_directory, path) = file(SECRET);
    for variable in secrets() {
        let env = environment(&[(&variable.file_name().unwrap(), &*path)]);
        assert_eq!(env.text(variable).as_deref(), Some(SECRET));
        fs::remove_file(&path).unwrap();
        assert_eq!(env.text(variable).as_deref(), Some(SECRET));
        fs::write(&path, SECRET).unwrap();
    }
}
