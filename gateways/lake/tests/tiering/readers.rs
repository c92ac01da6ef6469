//! What readers of other makers see in the lake: with the rows that are left in the tables, all rows.

use crate::desk::{Desk, quotes};
use std::path::Path;
use std::process::Command;
use stele_blob_store::{Address, Options, open_changing};

const COUNTS: &str = r"
import duckdb, duckdb_extension_delta, os, pathlib, sys
from deltalake import DeltaTable
connection = duckdb.connect(config={'allow_unsigned_extensions': 'true'})
folder = pathlib.Path(duckdb_extension_delta.__file__).parent
connection.execute(f'''load '{next(folder.rglob('*.duckdb_extension'))}' ''')
rows = connection.execute(f'''select count(*), sum(position) from delta_scan('{sys.argv[1]}')''').fetchone()
table = DeltaTable(sys.argv[1]).to_pyarrow_table()
assert table.num_rows == rows[0] and sum(table['position'].to_pylist()) == rows[1], (table.num_rows, rows)
print(rows[0], rows[1], flush=True)
# Threads of the readers' libraries may still run when the interpreter takes itself apart, which aborts it.
os._exit(0)
";

#[tokio::test]
async fn duckdb_and_delta_rs_see_what_left_and_with_the_tables_that_is_everything() {
    let place = tempfile::tempdir().unwrap();
    let options = Options { shared: true, ..Options::default() };
    let blobs = open_changing(&Address::Directory(place.path().to_owned()), &options).unwrap();
    let desk = Desk::of_quotes(blobs, 3).await;
    desk.run(&quotes()).await;
    desk.is_whole("quotes").await;
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/lake-readers/bin/python");
    assert!(python.exists(), "readers of Delta tables are not installed here: run ops/install/lake-readers");
    let table = place.path().join("history/quotes.v1");
    let told = Command::new(python).args(["-c", COUNTS]).arg(&table).output().unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let told = String::from_utf8(told.stdout).unwrap();
    let mut numbers = told.split_whitespace().map(|number| number.parse::<i64>().unwrap());
    let (count, sum) = (numbers.next().unwrap(), numbers.next().unwrap());
    let definition = stele_projections::models::table("quotes").unwrap();
    let position = |rows: &[stele_domain::port::read_store::Row]| -> i64 {
        rows.iter().map(|row| definition.position_of(row)).sum()
    };
    let (live, cut) = desk.live("quotes").await;
    let all = &desk.rows["quotes"];
    assert_eq!((count, sum), (cut as i64, position(all) - position(&live)));
    assert_eq!(count + live.len() as i64, all.len() as i64);
}
