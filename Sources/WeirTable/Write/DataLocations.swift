// SPDX-License-Identifier: Apache-2.0

/// Where a table's data files go.
struct DataLocations: Sendable {
  private let folder: String
  /// Folders of hash bits come first, so that object stores spread the load.
  private let isHashed: Bool
  private let hasPartitionPaths: Bool
  /// Put behind the hash where the folder is shared by tables.
  private let context: String?
  private let writerID: String
  private var count = 0

  /// - Parameters:
  ///   - writerID: makes the names of this writer's files unlike all others.
  ///   - given: a folder in place of the table's.
  init(_ metadata: TableMetadata, writerID: String, folder given: String? = nil) {
    let properties = metadata.properties
    self.writerID = writerID
    let location = Self.trimmed(metadata.location)
    isHashed = properties["write.object-storage.enabled"]?.lowercased() == "true"
    hasPartitionPaths =
      properties["write.object-storage.partitioned-paths"]?.lowercased() != "false"
    let named =
      given ?? properties["write.data.path"]
      ?? (isHashed ? properties["write.object-storage.path"] : nil)
      ?? properties["write.folder-storage.path"]
    folder = Self.trimmed(named ?? location + "/data")
    if isHashed, given == nil, !folder.hasPrefix(location) {
      context = location.split(separator: "/").suffix(2).joined(separator: "/")
    } else {
      context = nil
    }
  }

  private static func trimmed(_ text: String) -> String {
    var text = text
    while text.hasSuffix("/") && text.utf8.count > 1 { text.removeLast() }
    return text
  }

  /// A new location for a file of a partition (`a=1/b=2`, empty without partitions).
  mutating func next(partitionPath: String, suffix: String = "", fileExtension: String) -> String {
    count += 1
    let number = String(count)
    let padding = String(repeating: "0", count: max(0, 5 - number.utf8.count))
    let name = "\(writerID)-\(padding)\(number)\(suffix).\(fileExtension)"
    let usesPartition = !partitionPath.isEmpty && (!isHashed || hasPartitionPaths)
    let path = usesPartition ? partitionPath + "/" + name : name
    guard isHashed else { return folder + "/" + path }
    let hash = Self.hashFolders(path)
    if let context { return "\(folder)/\(hash)/\(context)/\(path)" }
    return hasPartitionPaths ? "\(folder)/\(hash)/\(path)" : "\(folder)/\(hash)-\(path)"
  }

  /// 20 bits of the hash as `0101/0110/1001/10110010`, as the Java implementation divides them.
  private static func hashFolders(_ path: String) -> String {
    let hash = Murmur3.hash(path) & 0xfffff
    let bits = (0..<20).map { hash >> UInt32(19 - $0) & 1 == 1 ? "1" : "0" }
    return [bits[0..<4], bits[4..<8], bits[8..<12], bits[12..<20]].map { $0.joined() }
      .joined(separator: "/")
  }
}
