use meterkit::Labels;

#[derive(Labels)]
#[label(crate = "my crate")]
struct CrateNotAPath {
    status: u16,
}

#[derive(Labels)]
struct CrateOnField {
    #[label(crate = "meterkit")]
    status: u16,
}

#[derive(Labels)]
struct FlattenWithName {
    #[label(flatten, name = "peer")]
    peer: FlattenOnStruct,
}

#[derive(Labels)]
#[label(flatten)]
struct FlattenOnStruct {
    network: bool,
}

#[derive(Labels)]
struct MaxValuesOnBool {
    #[label(max_values = 5)]
    status: bool,
}

#[derive(Labels)]
#[label(max_values = 5)]
struct MaxValuesOnStruct {
    status: u16,
}

#[derive(Labels)]
struct MaxValuesText {
    #[label(max_values = "5")]
    status: u16,
}

#[derive(Labels)]
struct MaxValuesZero {
    #[label(max_values = 0)]
    status: u16,
}

#[derive(Labels)]
struct NoSettings {
    #[label()]
    status: u16,
}

#[derive(Labels)]
struct RenameAllOnField {
    #[label(rename_all = "camelCase")]
    status: u16,
}

#[derive(Labels)]
#[label(rename_all = "CamelCase")]
struct RenameAllUnknown {
    status_code: u16,
}

#[derive(Labels)]
#[label(rename_all = "kebab-case")]
struct RenameAllToNoKey {
    status_code: u16,
}

#[derive(Labels)]
struct SettingTwice {
    #[label(max_values = 5)]
    #[label(max_values = 6)]
    status: u16,
}

#[derive(Labels)]
struct Several {
    seconds: f64,
    le: u16,
    #[label(key = "a", max_values = 0)]
    status: u16,
}

#[derive(Labels)]
struct UnknownOnField {
    #[label(key = "a")]
    status: u16,
}

#[derive(Labels)]
#[label(text = "a")]
struct UnknownOnStruct {
    status: u16,
}

fn main() {}
