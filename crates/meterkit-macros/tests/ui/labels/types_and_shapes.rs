use meterkit::Labels;

#[derive(Labels)]
enum Enum {
    Get,
}

#[derive(Labels)]
struct Float {
    seconds: f64,
}

#[derive(Labels)]
struct FloatInOption {
    seconds: Option<f32>,
}

#[derive(Labels)]
struct NoFields {}

#[derive(Labels)]
struct TooMany {
    l0: u8,
    l1: u8,
    l2: u8,
    l3: u8,
    l4: u8,
    l5: u8,
    l6: u8,
    l7: u8,
    l8: u8,
    l9: u8,
    l10: u8,
    l11: u8,
    l12: u8,
    l13: u8,
    l14: u8,
    l15: u8,
    l16: u8,
    l17: u8,
    l18: u8,
    l19: u8,
    l20: u8,
    l21: u8,
    l22: u8,
    l23: u8,
    l24: u8,
    l25: u8,
    l26: u8,
    l27: u8,
    l28: u8,
    l29: u8,
    l30: u8,
    l31: u8,
    l32: u8,
    l33: u8,
    l34: u8,
    l35: u8,
    l36: u8,
    l37: u8,
    l38: u8,
    l39: u8,
    l40: u8,
    l41: u8,
    l42: u8,
    l43: u8,
    l44: u8,
    l45: u8,
    l46: u8,
    l47: u8,
    l48: u8,
    l49: u8,
    l50: u8,
    l51: u8,
    l52: u8,
    l53: u8,
    l54: u8,
    l55: u8,
    l56: u8,
    l57: u8,
    l58: u8,
    l59: u8,
    l60: u8,
    l61: u8,
    l62: u8,
    l63: u8,
    l64: u8,
}

#[derive(Labels)]
struct TupleStruct(u16);

#[derive(Labels)]
union Union {
    status: u16,
}

#[derive(Labels)]
struct UnitStruct;

fn main() {}
