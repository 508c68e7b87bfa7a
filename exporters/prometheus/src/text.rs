//! Writing the text format: names, label values, numbers.

use meterkit_core::Value;
use meterkit_prometheus_model::write_float;
use meterkit_rules::prometheus_name::{Names, is_legal_label};

/// `# HELP` and `# TYPE` of a family, whose name is written as it may stand there.
pub(crate) fn head(out: &mut String, name: &str, family_type: &str, help: &str) {
    if !help.is_empty() {
        out.push_str("# HELP ");
        out.push_str(name);
        out.push(' ');
        escape(out, help, |byte| matches!(byte, b'\\' | b'\n'));
        out.push('\n');
    }
    out.push_str("# TYPE ");
    out.push_str(name);
    out.push(' ');
    out.push_str(family_type);
    out.push('\n');
}

/// `name="value"`, behind a comma unless it is the first.
pub(crate) fn label(out: &mut String, names: Names, name: &str, value: &str) {
    separate(out);
    if names.may_be_quoted() && !is_legal_label(name) {
        quoted(out, name);
    } else {
        out.push_str(name);
    }
    out.push_str("=\"");
    escape(out, value, |byte| matches!(byte, b'\\' | b'\n' | b'"'));
    out.push('"');
}

/// Text between quotes.
pub(crate) fn quoted(out: &mut String, text: &str) {
    out.push('"');
    escape(out, text, |byte| matches!(byte, b'\\' | b'\n' | b'"'));
    out.push('"');
}

/// Labels that are written already.
pub(crate) fn labels(out: &mut String, written: &str) {
    if !written.is_empty() {
        separate(out);
        out.push_str(written);
    }
}

/// The value of a sample, and the end of its line.
pub(crate) fn value(out: &mut String, value: Value) {
    match value {
        Value::U64(value) => integer(out, value),
        Value::I64(value) => out.push_str(itoa::Buffer::new().format(value)),
        Value::F64(value) => write_float(out, value),
    }
    out.push('\n');
}

pub(crate) fn integer(out: &mut String, value: u64) {
    out.push_str(itoa::Buffer::new().format(value));
}

fn separate(out: &mut String) {
    if !matches!(out.as_bytes().last(), None | Some(b'{')) {
        out.push(',');
    }
}

/// `must` is asked for single bytes: what has to be escaped is ASCII, which no other character contains.
fn escape(out: &mut String, text: &str, must: impl Fn(u8) -> bool) {
    let mut rest = text;
    while let Some(at) = rest.bytes().position(&must) {
        out.push_str(&rest[..at]);
        out.push_str(match rest.as_bytes()[at] {
            b'\\' => "\\\\",
            b'\n' => "\\n",
            _ => "\\\"",
        });
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use meterkit_rules::prometheus_name::Translation;

    use super::*;

    #[test]
    fn backslashes_quotes_and_line_ends_are_escaped() {
        let mut out = String::from("{");
        let names = Names::default();
        label(&mut out, names, "a", "C:\\dir\n\"x\" ü");
        label(&mut out, names, "b", "");
        assert_eq!(out, "{a=\"C:\\\\dir\\n\\\"x\\\" ü\",b=\"\"");

        let mut out = String::from("{");
        let names = Translation::NoTranslation.utf8();
        label(&mut out, names, "plain", "1");
        label(&mut out, names, "a.b", "2");
        label(&mut out, names, "\"\\\n", "3");
        assert_eq!(out, "{plain=\"1\",\"a.b\"=\"2\",\"\\\"\\\\\\n\"=\"3\"");

        let mut out = String::new();
        head(&mut out, "x", "gauge", "say \"hi\"\\\nbye");
        assert_eq!(out, "# HELP x say \"hi\"\\\\\\nbye\n# TYPE x gauge\n");
    }
}
