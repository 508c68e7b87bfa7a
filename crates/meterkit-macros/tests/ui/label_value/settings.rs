use meterkit::LabelValue;

#[derive(LabelValue)]
#[label(crate = "my crate")]
enum CrateNotAPath {
    Done,
}

#[derive(LabelValue)]
enum CrateOnVariant {
    #[label(crate = "meterkit")]
    Done,
}

#[derive(LabelValue)]
enum NoName {
    #[label("done")]
    Done,
}

#[derive(LabelValue)]
enum NoSettings {
    #[label]
    Done,
}

#[derive(LabelValue)]
#[label(rename_all = "Uppercase")]
enum RenameAllUnknown {
    Done,
}

#[derive(LabelValue)]
enum RenameAllOnVariant {
    #[label(rename_all = "UPPERCASE")]
    Done,
}

#[derive(LabelValue)]
enum Several {
    #[label(name = "a")]
    Done,
    Status(u16),
}

#[derive(LabelValue)]
#[label(krate = "meterkit")]
enum UnknownOnEnum {
    Done,
}

#[derive(LabelValue)]
enum UnknownOnVariant {
    #[label(text = "a")]
    Done,
}

fn main() {}
