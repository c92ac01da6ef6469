//! The safety rules of the signing account, each as a sentence.

mod arming;
mod execute;
mod laws;
mod lease;
mod limits;
mod outcomes;
mod price;
mod refusals;
mod release;
mod second_person;
mod story;
