use meterkit::LabelValue;

#[derive(LabelValue)]
enum Outcome {
    #[label(rename = " ")]
    Done,
}

fn main() {}
