"""Asks the tables of a lake by readers of other makers, and PostgreSQL by SQL, and compares counts and sums.

    lake_readers.py LAKE-URL TOLD.json [--postgres DSN] [--s3 ENDPOINT]

TOLD.json is what `stele lake verify --json` says. Exit code 1, with what differs, where any two disagree.
"""

import argparse
import json
import os
import pathlib
import sys
from decimal import Decimal

import duckdb
import duckdb_extension_delta
import polars as pl
import psycopg
from deltalake import DeltaTable

# What is summed in each table, besides the count and the sum of positions: whole numbers as text, and decimals.
UNITS = {
    "fact_command": ["receive_amount", "give_amount", "notional"],
    "fact_decision": ["give_amount", "notional", "inventory_spendable"],
    "fact_inventory": ["credited", "pending_in"],
    "fact_liquidity": ["amount"],
}
DECIMALS = {
    "fact_price": ["bid", "ask"],
    "fact_reference_price": ["rate", "bid"],
    "fact_decision": ["implied_rate", "reference_rate"],
}
# The same rows in PostgreSQL: in which table, and which of its rows.
SQL = {
    "fact_command": ("commands", "true"),
    "fact_decision": ("decisions", "true"),
    "fact_quote": ("quotes", "true"),
    "fact_result": ("result_history", "step <> 'released'"),
}


def numbers(answer):
    """Counts and sums, as numbers that can be compared."""
    return {name: Decimal(0) if value is None else Decimal(str(value)) for name, value in answer.items()}


def wanted(table):
    return UNITS.get(table, []), DECIMALS.get(table, [])


def with_duckdb(url, table, connection):
    units, decimals = wanted(table)
    sums = [f'sum(cast("{name}" as hugeint)) as "{name}"' for name in units]
    sums += [f'sum("{name}") as "{name}"' for name in decimals]
    asked = ", ".join(["count(*) as rows", "sum(position) as positions", "count(distinct dt) as days", *sums])
    result = connection.execute(f"select {asked} from delta_scan('{url}/{table}')")
    names = [column[0] for column in result.description]
    return numbers(dict(zip(names, result.fetchone())))


def summed(frame, table):
    units, decimals = wanted(table)
    answer = {
        "rows": frame.height,
        "positions": frame["position"].sum(),
        "days": frame["dt"].n_unique(),
    }
    for name in units:
        answer[name] = sum(int(value) for value in frame[name] if value is not None)
    for name in decimals:
        answer[name] = sum((value for value in frame[name] if value is not None), Decimal(0))
    return numbers(answer)


def with_polars(url, table, options):
    return summed(pl.read_delta(f"{url}/{table}", storage_options=options), table)


def with_delta_rs(url, table, options):
    return summed(pl.from_arrow(DeltaTable(f"{url}/{table}", storage_options=options).to_pyarrow_table()), table)


def duckdb_connection():
    connection = duckdb.connect()
    # DuckDB verifies the signature of what it loads.
    folder = pathlib.Path(duckdb_extension_delta.__file__).parent
    connection.execute(f"load '{next(folder.rglob('*.duckdb_extension'))}'")
    return connection


def with_postgres(dsn, table, position):
    name, where = SQL[table]
    units, decimals = wanted(table)
    sums = [f"sum({column}) as {column}" for column in units + decimals]
    asked = ", ".join(["count(*) as rows", "sum(position) as positions", *sums])
    with psycopg.connect(dsn) as connection:
        cursor = connection.execute(
            f"select {asked} from read_model.{name} where position <= %s and {where}", (position,)
        )
        names = [column.name for column in cursor.description]
        return numbers(dict(zip(names, cursor.fetchone())))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("told")
    parser.add_argument("--postgres")
    parser.add_argument("--s3")
    args = parser.parse_args()
    with open(args.told, encoding="utf-8") as file:
        told = json.load(file)
    options = None
    if args.s3:
        options = {
            "AWS_ENDPOINT_URL": args.s3,
            "AWS_ACCESS_KEY_ID": "desk",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "eu-west-1",
            "AWS_ALLOW_HTTP": "true",
        }
    connection = None if args.s3 else duckdb_connection()
    failed = not told["ok"]
    for one in told["tables"]:
        table = one["table"]
        answers = {
            "polars": with_polars(args.url, table, options),
            "delta-rs": with_delta_rs(args.url, table, options),
        }
        if connection:
            answers["duckdb"] = with_duckdb(args.url, table, connection)
        right = answers["polars"]
        wrong = [name for name, answer in answers.items() if answer != right or answer["rows"] != one["rows"]]
        if args.postgres and table in SQL:
            answer = with_postgres(args.postgres, table, one["position"])
            compared = {name: right[name] for name in answer}
            if table == "fact_quote":
                # What was understood in a request is a table of its own there.
                frame = pl.read_delta(f"{args.url}/{table}").filter(pl.col("kind") != "demand")
                compared = numbers({"rows": frame.height, "positions": frame["position"].sum()})
            answers["postgresql"] = answer
            if answer != compared:
                wrong.append("postgresql")
        word = "DISAGREE" if wrong else "agree"
        print(f"{table:22} {one['rows']:>9} rows  {', '.join(answers)} {word}")
        if wrong:
            failed = True
            print(f"  verify says {one['rows']} rows")
            for name, answer in answers.items():
                print(f"  {name}: { {key: str(value) for key, value in answer.items()} }")
    sys.stdout.flush()
    # Threads of the readers' libraries may still run when the interpreter takes itself apart, which aborts it.
    os._exit(1 if failed else 0)


main()
