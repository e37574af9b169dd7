// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar

@testable internal import WeirTable

/// Tables that PyIceberg wrote, read as PyIceberg reads them.
@Suite struct GoldenTableTests {
  @Test(arguments: ["types", "evolved", "partitioned", "mapped", "deletes"])
  func allRows(_ name: String) throws {
    let table = try GoldenTable(name)
    let rows = try table.read()
    #expect(rows.count == table.expected.count)
    for (row, expected) in zip(rows, table.expected) {
      for (column, value) in expected {
        #expect(row[column] == value, "\(column) of row \(expected["id"]!)")
      }
      #expect(row.count == expected.count)
    }
  }

  @Test func oneColumnOrFieldAtATime() throws {
    for name in ["types", "evolved"] {
      let table = try GoldenTable(name)
      for path in table.metadata.currentSchema.allPaths {
        guard !path.contains("element"), !path.contains(".key"), !path.contains(".value") else {
          continue
        }
        let rows = try table.read(["id", path])
        #expect(rows.count == table.expected.count)
        for (row, expected) in zip(rows, table.expected) {
          var names = path.split(separator: ".")[...]
          var value = row[String(names.first!)]
          var wanted = expected[String(names.removeFirst())]
          for name in names {
            value = member(value, name)
            wanted = member(wanted, name)
          }
          #expect(value == wanted, "\(path) of row \(expected["id"]!)")
        }
      }
    }
  }

  private func member(_ value: Scalar?, _ name: Substring) -> Scalar? {
    guard case .struct(let members)? = value else { return value }
    return members.first { $0.name == name }?.value
  }

  @Test func filtersKeepTheRowsForWhichTheyAreTrue() throws {
    let filters = [
      ("partitioned", "name = 'n 1/ö'"), ("partitioned", "ts < timestamp '1969-12-31 00:00:00'"),
      ("partitioned", "amount > 1.5 and day = date '2026-02-05'"),
      ("partitioned", "ts is null or name is null"), ("partitioned", "id in (3, 14, 19, 26)"),
      ("evolved", "id >= 3"), ("evolved", "ratio > 0.4"), ("evolved", "s.renamed < 0"),
      ("evolved", "gone is null"), ("evolved", "added = 'last'"), ("deletes", "v >= 4.5"),
      ("types", "dec9 > 10.5"), ("types", "string like 'x%'"), ("types", "uuid is not null"),
      ("mapped", "title = 'n3' or s.w = 90"),
    ]
    for (name, text) in filters {
      let table = try GoldenTable(name)
      let filter = try Predicate(parsing: text)
      let all = try table.read()
      // The oracle: the same predicate on rows that were read without it.
      let reader = try Oracle(table, filter)
      let rows = try table.read(where: filter)
      #expect(rows == reader.matching(all), "\(text) on \(name)")
      #expect(!rows.isEmpty && rows.count < all.count, "\(text) tests something")
    }
  }

  /// Applies a predicate to whole rows.
  private struct Oracle {
    let ids: Set<Scalar>

    init(_ table: GoldenTable, _ filter: Predicate) throws {
      let planner = try ScanPlanner(table.metadata, stores: table.stores)
      let bound = try filter.bind(to: table.metadata.currentSchema.arrowSchema())
      let reader = try TableReader(table.metadata, stores: table.stores) {
        () throws(TableError) in try planner.next()
      }
      var ids: Set<Scalar> = []
      while let batch = try reader.next() {
        for row in try bound.selection(batch).rows {
          ids.insert(batch["id"]!.scalar(at: row))
        }
      }
      self.ids = ids
    }

    func matching(_ rows: [[String: Scalar]]) -> [[String: Scalar]] {
      rows.filter { ids.contains($0["id"]!) }
    }
  }

  @Test func metadataColumns() throws {
    let table = try GoldenTable("deletes")
    let rows = try table.read(["id", "_pos", "_file", "_spec_id", "_partition", "_row_id"])
    #expect(rows.count == table.expected.count)
    for row in rows {
      guard case .int(let id)? = row["id"], case .int(let position)? = row["_pos"],
        case .string(let file)? = row["_file"]
      else {
        Issue.record("the columns are there")
        return
      }
      #expect(id == 15 || id % 10 == position)
      #expect(file.hasSuffix(".parquet"))
      #expect(row["_spec_id"] == .int(0) && row["_row_id"] == .null)
      #expect(row["_partition"] == .struct([]))
    }
    let partitioned = try GoldenTable("partitioned").read(["id", "_partition", "_spec_id"])
    guard case .struct(let members)? = partitioned[13]["_partition"] else { return }
    #expect(members.count == 7 && partitioned[13]["_spec_id"] == .int(1))
    #expect(members.first { $0.name == "name" }?.value == .string("n 1/ö"))
    #expect(members.first { $0.name == "ts_day" }?.value == .null)
  }

  @Test func deletedRowsComeMarkedWhenAskedFor() throws {
    let table = try GoldenTable("deletes")
    let rows = try table.read(["id", "_deleted"])
    // Deleted by position they are all there; those deleted by equality are gone.
    #expect(rows.filter { $0["_deleted"] == .bool(true) }.count == 4)
  }

  @Test func earlierSnapshotsHaveTheirSchema() throws {
    let table = try GoldenTable("evolved")
    let first = table.metadata.snapshots[0]
    let rows = try table.read(at: .id(first.snapshotID))
    #expect(rows.count == 4 && rows[1]["gone"] == .string("old"))
    #expect(rows[1]["f"] == .float32(1 / 3) && rows[2]["s"] == .null)
  }
}
