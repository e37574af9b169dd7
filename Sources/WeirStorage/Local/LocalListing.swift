// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Lists the objects under a folder in the order of their paths' bytes, page by page.
///
/// The order of paths is that of a walk in which each folder sorts as its name with `/` behind it.
/// 1. Start in the folder that the prefix names.
/// 2. Of a folder's entries keep only the smallest that can still be in the page (their number is
///    bounded by the page's, whatever the folder's size), in order.
/// 3. Take the files and walk the folders among them; when they are used up and the page is not
///    full, go on with the folder's next entries.
struct LocalListing {
  /// The fewest entries kept of a folder, so that folders of folders need few passes.
  private static let entryCountMin = 256

  private let root: String
  private let prefix: [UInt8]
  private let after: [UInt8]?
  private let limit: Int
  private var objects: [ObjectMetadata] = []
  private var hasMore = false

  init(root: String, prefix: String, after: String?, limit: Int) {
    self.root = root
    self.prefix = Array(prefix.utf8)
    self.after = after.map { Array($0.utf8) }
    self.limit = limit
  }

  mutating func page() throws(StorageError) -> ListPage {
    let slash = UInt8(ascii: "/")
    let start = prefix.lastIndex(of: slash).map { Array(prefix[...$0]) } ?? []
    do {
      try walk(start)
    } catch {
      throw StorageError(
        error, operation: "list", path: String(decoding: prefix, as: UTF8.self))
    }
    return ListPage(objects: objects, next: hasMore ? objects.last?.path : nil)
  }

  /// `folder` is empty for the root and ends with `/` otherwise.
  private mutating func walk(_ folder: [UInt8]) throws(SystemError) {
    var last: [UInt8]?
    while !hasMore {
      let entryCountMax = max(limit - objects.count + 1, Self.entryCountMin)
      let (entries, isAll) = try self.entries(of: folder, after: last, countMax: entryCountMax)
      for entry in entries {
        if entry.last == UInt8(ascii: "/") {
          try walk(entry)
        } else {
          try take(entry)
        }
        if hasMore { return }
      }
      if isAll { return }
      last = entries.last
    }
  }

  private mutating func take(_ path: [UInt8]) throws(SystemError) {
    let text = String(decoding: path, as: UTF8.self)
    // What was removed or replaced by a folder since is no object any more.
    guard let status = try SystemCalls.statusIfPresent("\(root)/\(text)"), status.isRegular else {
      return
    }
    if objects.count == limit {
      hasMore = true
    } else {
      objects.append(ObjectMetadata(path: text, status))
    }
  }

  /// The smallest paths behind `last` in the folder that can lead to objects of the listing, folders
  /// with `/` behind them; and whether these are all.
  private func entries(
    of folder: [UInt8], after last: [UInt8]?, countMax: Int
  ) throws(SystemError) -> ([[UInt8]], isAll: Bool) {
    var kept: [[UInt8]] = []
    var isAll = true
    func cut() {
      kept.sort { $0.lexicographicallyPrecedes($1) }
      if kept.count > countMax {
        kept.removeSubrange(countMax...)
        isAll = false
      }
    }
    do {
      try SystemCalls.forEachEntry(of: "\(root)/\(String(decoding: folder, as: UTF8.self))") {
        name, kind in
        guard kind != .other, ObjectPath.segmentFault(name) == nil,
          String(validating: name, as: UTF8.self) != nil
        else { return }
        let path = folder + name + (kind == .folder ? [UInt8(ascii: "/")] : [])
        if let last, !last.lexicographicallyPrecedes(path) { return }
        guard path.count <= ObjectPath.byteCountMax, isWanted(path, kind) else { return }
        kept.append(path)
        if kept.count >= 2 * countMax { cut() }
      }
    } catch {
      if error.number != ENOENT && error.number != ENOTDIR { throw error }
    }
    cut()
    return (kept, isAll)
  }

  private func isWanted(_ path: [UInt8], _ kind: FolderEntryKind) -> Bool {
    if kind == .folder {
      guard path.starts(with: prefix) || prefix.starts(with: path) else { return false }
      guard let after else { return true }
      return after.starts(with: path) || after.lexicographicallyPrecedes(path)
    }
    guard path.starts(with: prefix) else { return false }
    return after?.lexicographicallyPrecedes(path) ?? true
  }
}

extension LocalListing {
  /// Removes temporary files in `folder` and below whose writers are gone or that were last written before
  /// `time`, and returns how many.
  static func sweep(_ folder: String, before time: Int) throws(SystemError) -> Int {
    var folders: [String] = []
    var files: [String] = []
    do {
      try SystemCalls.forEachEntry(of: folder) { name, kind in
        let path = "\(folder)/\(String(decoding: name, as: UTF8.self))"
        switch kind {
        case .folder: folders.append(path)
        case .object: if TemporaryName.isTemporary(name) { files.append(path) }
        case .other: break
        }
      }
    } catch {
      if error.number != ENOENT && error.number != ENOTDIR { throw error }
    }
    var count = 0
    for file in files {
      guard let status = try SystemCalls.statusIfPresent(file) else { continue }
      do {
        if status.modified < time {
          try SystemCalls.unlink(file)
        } else if try !TemporaryName.removeIfLeft(file) {
          continue
        }
        count += 1
      } catch {
        // Somebody else swept it, or its writer finished.
        if error.number != ENOENT { throw error }
      }
    }
    for folder in folders { count += try sweep(folder, before: time) }
    return count
  }
}
