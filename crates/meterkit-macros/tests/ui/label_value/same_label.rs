use meterkit::LabelValue;

#[derive(LabelValue)]
enum Outcome {
    Done,
    #[label(name = "done")]
    Finished,
}

fn main() {}
