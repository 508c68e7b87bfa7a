use meterkit::LabelValue;

#[derive(LabelValue)]
enum Outcome {
    Done,
    #[label(rename = "done")]
    Finished,
}

fn main() {}
