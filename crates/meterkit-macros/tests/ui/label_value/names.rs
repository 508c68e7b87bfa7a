use meterkit::LabelValue;

#[derive(LabelValue)]
enum NameEmpty {
    #[label(name = " ")]
    Done,
}

#[derive(LabelValue)]
enum NameList {
    #[label(name("done"))]
    Done,
}

#[derive(LabelValue)]
enum NameMissing {
    #[label(name)]
    Done,
}

#[derive(LabelValue)]
enum NameNumber {
    #[label(name = 5)]
    Done,
}

#[derive(LabelValue)]
#[label(name = "done")]
enum NameOnEnum {
    Done,
}

#[derive(LabelValue)]
enum NameTwice {
    #[label(name = "a", name = "b")]
    Done,
}

#[derive(LabelValue)]
enum NameWithoutEquals {
    #[label(name "done")]
    Done,
}

#[derive(LabelValue)]
enum NothingLeft {
    __,
}

#[derive(LabelValue)]
enum Rename {
    #[label(rename = "a")]
    Done,
}

#[derive(LabelValue)]
enum SameLabel {
    Done,
    #[label(name = "done")]
    Finished,
}

fn main() {}
