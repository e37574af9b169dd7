// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// The real event data sets that Weir knows how to read.
///
/// Each lies in a folder of its name, with the files that it was published with (repackaged as
/// gzipped CSV). The descriptions and licences are those of its publishers.
package enum RealData {
  /// What is looked for, in the order of the demo.
  private static let known: [(name: String, make: @Sendable (String) -> DataSet)] = [
    ("xwines", xwines), ("retailrocket", retailrocket), ("stackexchange", stackexchange),
    ("openbandit", openbandit),
  ]

  package static let names = known.map(\.name)

  /// The data sets below `path`: a folder that holds their folders, or one of those.
  ///
  /// A data set counts as found when its file of events can be opened. Throws `notFound`, naming what
  /// was looked for, when there is none.
  package static func find(in path: String) throws(WorldError) -> [DataSet] {
    let base = path.hasSuffix("/") && path.utf8.count > 1 ? String(path.dropLast()) : path
    let name = base.split(separator: "/").last.map(String.init) ?? base
    var found: [DataSet] = []
    for (candidate, make) in known {
      let inside = make("\(base)/\(candidate)")
      if isThere(inside) {
        found.append(inside)
      } else if candidate == name && isThere(make(base)) {
        found.append(make(base))
      }
    }
    guard !found.isEmpty else {
      throw WorldError(
        .notFound,
        "no data set was found there; a folder with one of "
          + names.map { "\($0)/" }.joined(separator: ", ")
          + " in it was expected, or one of those folders itself",
        file: path)
    }
    return found
  }

  private static func isThere(_ dataSet: DataSet) -> Bool {
    dataSet[table: "events"]?.sources.allSatisfy { FileProbe.size($0) != nil } ?? false
  }

  static func csv(_ path: String, _ columns: [CSVColumn], _ metadata: Metadata) -> TableOpener {
    TableOpener { () throws(WorldError) in
      try CSVTable(FileSource.text(path), columns: columns, metadata: metadata)
    }
  }

  /// The columns of a dimension table with their ids.
  static func dimension(_ columns: [CSVColumn]) -> [CSVColumn] {
    zip(columns, EventSchema.dimension(columns.map(\.field))).map { column, field in
      var copy = column
      copy.field = field
      return copy
    }
  }

  /// Attributes behind the common columns, with their ids.
  static func attributes(_ columns: [CSVColumn]) -> [CSVColumn] {
    zip(columns, EventSchema.attributes(columns.map(\.field))).map { column, field in
      var copy = column
      copy.field = field
      return copy
    }
  }
}
