"""The version of lakegate, written here alone: the wheel takes it over, and no short call has to look it up."""

VERSION = "0.1.0"
