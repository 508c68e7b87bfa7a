use meterkit::Labels;

#[derive(Labels)]
struct IllFormedKey {
    größe: u16,
}

#[derive(Labels)]
struct NameEmpty {
    #[label(name = "")]
    status: u16,
}

#[derive(Labels)]
struct NameIllFormed {
    #[label(name = "http-status")]
    status: u16,
}

#[derive(Labels)]
struct NameMissing {
    #[label(name)]
    status: u16,
}

#[derive(Labels)]
struct NameNumber {
    #[label(name = 5)]
    status: u16,
}

#[derive(Labels)]
#[label(name = "a")]
struct NameOnStruct {
    status: u16,
}

#[derive(Labels)]
struct NameReserved {
    #[label(name = "__name__")]
    status: u16,
}

#[derive(Labels)]
struct NothingLeft {
    __: u16,
}

#[derive(Labels)]
struct Rename {
    #[label(rename = "a")]
    route: &'static str,
}

#[derive(Labels)]
struct ReservedKey {
    le: u16,
}

#[derive(Labels)]
struct SameKey {
    status: u16,
    #[label(name = "status")]
    code: u16,
}

#[derive(Labels)]
struct SameKeyByName {
    status: u16,
    _status: u16,
}

fn main() {}
