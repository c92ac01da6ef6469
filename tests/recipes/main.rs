//! The recipes of `CONTRIBUTING.md`: each is a patch beside this file, applied to a copy of the repository in which
//! the tests of what it touches then run. A recipe that no longer works, or that leaves a place out, fails here.
//!
//! To bring a patch up to date: apply it (`git apply --reject`), mend what was left, write the written files anew as
//! its recipe says, and put `git add --intent-to-add . && git diff` in its place.

#[cfg(test)]
mod patch;
#[cfg(test)]
mod scratch;

#[cfg(test)]
mod tests {
    use crate::patch::{Patch, changed};
    use crate::scratch::Scratch;
    use stele_acceptance::{files, root, shown, text};

    /// A patch and the tests that it has to pass.
    struct Recipe {
        patch: &'static str,
        /// Arguments of `cargo test`, one list per run: which targets of [`PACKAGES`], and which of their tests.
        runs: &'static [&'static [&'static str]],
    }

    /// What the recipes touch, and what holds for all of the repository. The same for every recipe: other packages
    /// would unify to other features, and the crates of others would be built anew.
    const PACKAGES: [&str; 9] = [
        "stele-domain",
        "stele-commands",
        "stele-projections",
        "stele-read-store",
        "stele-market",
        "stele-simulator",
        "stele-api",
        "stele",
        "stele-acceptance",
    ];

    /// Tables as documented, as defined and as they stand in a database: the same.
    const DOCUMENTS: &str = "documents::";
    /// The list of migrations is their folder.
    const MIGRATIONS: &str = "migrate::tests::";
    /// The promised document of the API is the one that is made.
    const OPENAPI: &str = "openapi::";

    /// In an order that builds as little as possible: the first leaves the domain alone.
    const RECIPES: [Recipe; 3] = [
        Recipe {
            patch: "add-a-read-model.patch",
            runs: &[
                &["--test=projections", "--test=architecture", "--test=golden"],
                &["--lib", "--test=postgres", "--", DOCUMENTS, MIGRATIONS, OPENAPI],
            ],
        },
        Recipe {
            patch: "add-a-gate.patch",
            runs: &[&[
                "--lib",
                "--bin=stele",
                "--test=desk",
                "--test=architecture",
                "--test=golden",
                "--",
                // With another gate it is another answer, and the recipe says how it is written anew.
                "--skip=the_answer_to_a_fixed_question_never_changes",
            ]],
        },
        Recipe {
            patch: "add-a-price-source.patch",
            runs: &[
                &[
                    "--lib",
                    "--bin=stele",
                    "--test=wire",
                    "--test=doors",
                    "--test=architecture",
                    "--test=golden",
                ],
                &["--test=postgres", "--", DOCUMENTS],
            ],
        },
    ];

    fn patch(name: &str) -> Patch {
        Patch::read(&text(&root().join("tests/recipes").join(name)))
    }

    /// The part of `CONTRIBUTING.md` that links to this patch.
    fn section(contributing: &str, name: &str) -> String {
        let link = format!("(tests/recipes/{name})");
        let sections: Vec<&str> = contributing.split("\n### ").filter(|part| part.contains(&link)).collect();
        assert_eq!(sections.len(), 1, "CONTRIBUTING.md should link to {name} from one recipe");
        sections[0].to_owned()
    }

    #[test]
    fn every_patch_has_a_recipe_and_every_recipe_runs() {
        let contributing = text(&root().join("CONTRIBUTING.md"));
        let patches = files(&root().join("tests/recipes"), &[".patch"]);
        let names: Vec<String> =
            patches.iter().map(|path| shown(path).replace("tests/recipes/", "")).collect();
        let mut run: Vec<&str> = RECIPES.iter().map(|recipe| recipe.patch).collect();
        run.sort_unstable();
        assert_eq!(names, run, "the patches of the folder, and those that are tried");
        for name in &names {
            section(&contributing, name);
        }
        assert_eq!(
            contributing.matches(".patch)").count(),
            names.len(),
            "a link to a patch that isn't there"
        );
    }

    #[test]
    fn a_recipe_names_every_place_that_its_patch_touches() {
        let contributing = text(&root().join("CONTRIBUTING.md"));
        for recipe in &RECIPES {
            let section = section(&contributing, recipe.patch);
            // `models/<name>.rs` names everything in `models/`; files of the root have no folder.
            let places: Vec<&str> = section
                .split('`')
                .skip(1)
                .step_by(2)
                .filter(|quoted| quoted.contains('/') || root().join(quoted).is_file())
                .filter_map(|quoted| quoted.split('<').next())
                .collect();
            for path in patch(recipe.patch).paths() {
                let named = places.iter().any(|place| path.starts_with(place));
                assert!(named, "{} touches {path}, and its recipe does not say so", recipe.patch);
            }
        }
    }

    /// Takes a moment: the one to run after a change to a file that a patch touches.
    #[test]
    fn every_patch_fits() {
        for recipe in &RECIPES {
            assert!(!changed(&patch(recipe.patch), &root()).is_empty(), "{} changes nothing", recipe.patch);
        }
    }

    #[test]
    fn every_recipe_works_in_a_copy_of_the_repository() {
        let scratch = Scratch::take(&root());
        let mut broken = Vec::new();
        for recipe in &RECIPES {
            scratch.lay_out(&root(), &changed(&patch(recipe.patch), &root()));
            for run in recipe.runs {
                match scratch.cargo_test(&PACKAGES, run) {
                    Ok(0) => broken.push(format!("{}: {run:?} tested nothing", recipe.patch)),
                    Ok(passed) => println!("{}: {passed} tests passed in the copy", recipe.patch),
                    Err(output) => broken.push(format!("{} does not work any more:\n{output}", recipe.patch)),
                }
            }
        }
        assert!(broken.is_empty(), "{}", broken.join("\n\n"));
    }
}
