#![doc = include_str!("../guide/operating.md")]
