// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStorage

extension WeirFileReader {
  /// Whether pages are asked for before they are wanted.
  var readsAhead: Bool { map == nil && options.aheadBytesMax > 0 && file.waitsForRequests }

  /// Reads the dictionaries and pools of columns at once, where each request waits and they fit
  /// `aheadBytesMax`. What is not read here is read when it is needed.
  func loadAuxiliary(_ columns: [FileColumn]) throws(WeirFileError) {
    guard readsAhead else { return }
    var wanted: [(column: String, array: AuxiliaryArray, index: Int, entry: PageTableEntry)] = []
    var seen: Set<Int> = []
    var byteCount = 0
    for column in columns {
      for (record, array) in zip(column.descriptor.auxiliary, column.decoder.auxiliary)
      where array.role == .dictionary || array.role == .pool {
        guard record.pageCount > 0, seen.insert(record.tableOffset).inserted else { continue }
        let table = try pageTable(record)
        for index in 0..<array.pageCount where !array.isKept(index) {
          let entry = try PageTableEntry(table, index, fileSize: file.size)
          byteCount += entry.range.count
          if byteCount > options.aheadBytesMax { return }
          wanted.append((column.field.name, array, index, entry))
        }
      }
    }
    let parts = try bytes(wanted.map(\.entry.range))
    for (place, bytes) in zip(wanted, parts) {
      do throws(WeirFileError) {
        _ = try place.array.keep(place.index, try Self.page(bytes, place.entry, options))
      } catch {
        throw error.adding(column: place.column)
      }
    }
  }

  /// Reads the parts that the fields of a page lie in, of those that the column has, in one go. What is not
  /// read here is read when it is needed.
  func loadParts(_ column: FileColumn, _ page: PageNode) throws(WeirFileError) {
    guard let number = column.descriptor.auxiliary.firstIndex(where: { $0.role == .parts }) else {
      return
    }
    do throws(WeirFileError) {
      try loadParts(column, page, number)
    } catch {
      throw error.adding(column: column.field.name)
    }
  }

  private func loadParts(
    _ column: FileColumn, _ page: PageNode, _ number: Int
  ) throws(WeirFileError) {
    let array = column.decoder.auxiliary[number]
    var wanted: Set<Int> = []
    Self.collect(page, column.selection) { part in
      if part < array.pageCount && !array.isKept(part) { wanted.insert(part) }
    }
    // One alone is no more requests later.
    if wanted.count < 2 { return }
    let table = try pageTable(column.descriptor.auxiliary[number])
    var entries: [(Int, PageTableEntry)] = []
    var byteCount = 0
    for part in wanted.sorted() {
      let entry = try PageTableEntry(table, part, fileSize: file.size)
      byteCount += entry.range.count
      if byteCount > AuxiliaryArray.keptPartByteCountMax { break }
      entries.append((part, entry))
    }
    let bytes = try bytes(entries.map(\.1.range))
    for ((part, entry), bytes) in zip(entries, bytes) {
      _ = try array.keep(part, try Self.page(bytes, entry, options))
    }
  }

  /// Calls `body` with the parts that are fields of the node's struct, and of structs in it.
  private static func collect(
    _ node: PageNode, _ selection: FieldSelection?, _ body: (Int) -> Void
  ) {
    let node = node.encoding == .nullable ? node.children[1] : node
    guard node.encoding == .structure else { return }
    let chosen = selection?.children ?? node.children.indices.map { ($0, nil) }
    for (place, selection) in chosen where place < node.children.count {
      let child = node.children[place]
      if child.encoding == .part {
        if let part = Int(exactly: child.b) { body(part) }
      } else {
        collect(child, selection, body)
      }
    }
  }
}
