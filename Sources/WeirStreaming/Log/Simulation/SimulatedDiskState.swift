// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// What is on a simulated disk, and what is only on its way there.
struct SimulatedDiskState {
  /// The unit that is written whole, mostly.
  private static let sectorBytes = 512

  /// A change to a file that is not durable yet.
  private enum Change {
    case write(Int, [UInt8])
    case truncate(Int)
    case grow(Int)
  }

  private struct Node {
    /// What is read.
    var bytes: [UInt8] = []
    var durable: [UInt8] = []
    var pending: [Change] = []
    var openCount = 1
  }

  /// A change to a folder that is not durable yet.
  private enum NameChange {
    case set(String, Int)
    case remove(String)
    case move(String, String, Int)
  }

  private struct Lock {
    var process: Int
    var owner: String
  }

  var capacityBytes: Int
  let random: @Sendable () -> UInt64
  private var nodes: [Int: Node] = [:]
  private var nodeCount = 0
  private var names: [String: Int] = [:]
  private var durableNames: [String: Int] = [:]
  private var pendingNames: [String: [NameChange]] = [:]
  private var folders: Set<String> = ["/"]
  private var locks: [String: Lock] = [:]
  private var alive: Set<Int> = []
  private var processCount = 0

  init(capacityBytes: Int, random: @escaping @Sendable () -> UInt64) {
    self.capacityBytes = capacityBytes
    self.random = random
  }

  func chance(_ part: UInt64, of whole: UInt64) -> Bool { random() % whole < part }

  var usedBytes: Int { nodes.values.reduce(0) { $0 + $1.bytes.count } }

  // MARK: processes

  mutating func addProcess() -> Int {
    processCount += 1
    alive.insert(processCount)
    return processCount
  }

  func isAlive(_ process: Int) -> Bool { alive.contains(process) }

  mutating func kill(_ process: Int) {
    alive.remove(process)
    locks = locks.filter { $0.value.process != process }
  }

  mutating func losePower() {
    alive.removeAll()
    locks.removeAll()
    for folder in pendingNames.keys.sorted() { settleNames(in: folder) }
    names = durableNames
    for id in nodes.keys.sorted() {
      settle(id)
      nodes[id]!.bytes = nodes[id]!.durable
    }
    collect()
  }

  /// Forgets files without a name that nobody has open.
  private mutating func collect() {
    let named = Set(names.values).union(durableNames.values)
    let moving = Set(
      pendingNames.values.joined().compactMap { change -> Int? in
        switch change {
        case .set(_, let id), .move(_, _, let id): id
        case .remove: nil
        }
      })
    nodes = nodes.filter {
      $0.value.openCount > 0 || named.contains($0.key) || moving.contains($0.key)
    }
  }

  // MARK: names

  private static func folder(of path: String) -> String {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "/" }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  mutating func makeFolder(_ path: String) {
    var path = path
    while folders.insert(path).inserted { path = Self.folder(of: path) }
  }

  func list(_ folder: String) throws(DiskError) -> [String] {
    guard folders.contains(folder) else {
      throw DiskError(.notFound, operation: "list", path: folder, "no such folder")
    }
    let prefix = folder == "/" ? "/" : folder + "/"
    return names.keys.filter { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
      .filter { !$0.contains("/") }.sorted()
  }

  private mutating func note(_ change: NameChange, _ path: String) {
    pendingNames[Self.folder(of: path), default: []].append(change)
  }

  mutating func create(_ path: String) throws(DiskError) -> Int {
    guard names[path] == nil else {
      throw DiskError(.exists, operation: "create", path: path, "the file is there")
    }
    guard folders.contains(Self.folder(of: path)) else {
      throw DiskError(.notFound, operation: "create", path: path, "no such folder")
    }
    nodeCount += 1
    nodes[nodeCount] = Node()
    names[path] = nodeCount
    note(.set(path, nodeCount), path)
    return nodeCount
  }

  mutating func open(_ path: String) throws(DiskError) -> Int {
    guard let node = names[path] else {
      throw DiskError(.notFound, operation: "open", path: path, "no such file")
    }
    nodes[node]!.openCount += 1
    return node
  }

  mutating func release(_ node: Int) {
    guard nodes[node] != nil else { return }
    nodes[node]!.openCount -= 1
    if nodes[node]!.openCount == 0 { collect() }
  }

  mutating func rename(_ from: String, to: String) throws(DiskError) {
    guard let node = names.removeValue(forKey: from) else {
      throw DiskError(.notFound, operation: "rename", path: from, "no such file")
    }
    names[to] = node
    note(.move(from, to, node), to)
  }

  mutating func delete(_ path: String) throws(DiskError) {
    guard names.removeValue(forKey: path) != nil else {
      throw DiskError(.notFound, operation: "delete", path: path, "no such file")
    }
    note(.remove(path), path)
  }

  private mutating func apply(_ change: NameChange) {
    switch change {
    case .set(let path, let node): durableNames[path] = node
    case .remove(let path): durableNames[path] = nil
    case .move(let from, let to, let node):
      if durableNames[from] == node { durableNames[from] = nil }
      durableNames[to] = node
    }
  }

  mutating func syncNames(in folder: String) {
    for change in pendingNames.removeValue(forKey: folder) ?? [] { apply(change) }
  }

  /// Decides what becomes of the changes that were not synced: the first ones, as a journal keeps
  /// them, or any.
  ///
  /// - Parameter keepsPending: they can be synced later: a folder's sync that failed can be repeated.
  mutating func settleNames(in folder: String, keepsPending: Bool = false) {
    let changes = pendingNames[folder] ?? []
    if !keepsPending { pendingNames[folder] = nil }
    if chance(1, of: 2) {
      for change in changes.prefix(Int(random() % UInt64(changes.count + 1))) { apply(change) }
    } else {
      for change in changes where chance(1, of: 2) { apply(change) }
    }
  }

  mutating func lock(_ path: String, _ process: Int, _ owner: String) throws(DiskError) {
    if let holder = locks[path] {
      throw DiskError(.locked, operation: "lock", path: path, holder.owner)
    }
    locks[path] = Lock(process: process, owner: owner)
  }

  mutating func unlock(_ path: String, _ process: Int) {
    if locks[path]?.process == process { locks[path] = nil }
  }

  // MARK: bytes

  func size(_ node: Int) -> Int { nodes[node]!.bytes.count }

  func read(_ node: Int, _ offset: Int, _ count: Int) -> Buffer {
    let bytes = nodes[node]!.bytes
    guard offset < bytes.count, count > 0 else { return Buffer() }
    return Buffer(Array(bytes[offset..<min(bytes.count, offset + count)]))
  }

  private func checkSpace(
    _ node: Int, _ size: Int, _ operation: String, _ path: String
  ) throws(DiskError) {
    let growth = size - nodes[node]!.bytes.count
    if growth > 0, usedBytes + growth > capacityBytes {
      throw DiskError(.full, operation: operation, path: path, "no space left on device")
    }
  }

  mutating func write(
    _ node: Int, _ bytes: [UInt8], _ offset: Int, _ path: String
  ) throws(DiskError) {
    try checkSpace(node, offset + bytes.count, "write", path)
    Self.put(bytes[...], at: offset, into: &nodes[node]!.bytes)
    nodes[node]!.pending.append(.write(offset, bytes))
  }

  mutating func truncate(_ node: Int, _ size: Int) {
    Self.resize(&nodes[node]!.bytes, size)
    nodes[node]!.pending.append(.truncate(size))
  }

  mutating func preallocate(_ node: Int, _ size: Int, _ path: String) throws(DiskError) {
    try checkSpace(node, size, "preallocate", path)
    if size > nodes[node]!.bytes.count { Self.resize(&nodes[node]!.bytes, size) }
    nodes[node]!.pending.append(.grow(size))
  }

  mutating func sync(_ node: Int) {
    let pending = nodes[node]!.pending
    nodes[node]!.pending = []
    for change in pending {
      switch change {
      case .write(let offset, let bytes):
        Self.put(bytes[...], at: offset, into: &nodes[node]!.durable)
      case .truncate(let size): Self.resize(&nodes[node]!.durable, size)
      case .grow(let size):
        if size > nodes[node]!.durable.count { Self.resize(&nodes[node]!.durable, size) }
      }
    }
  }

  /// Decides what becomes of the changes that were not synced. What does not become durable now never
  /// will, unless it is written again.
  mutating func settle(_ node: Int) {
    let pending = nodes[node]!.pending
    nodes[node]!.pending = []
    // Often all or nothing, as most real losses are.
    let style = random() % 4
    for change in pending {
      if style == 0 { return }
      switch change {
      case .write(let offset, let bytes): settle(node, offset, bytes, keepsAll: style == 1)
      case .truncate(let size):
        if style == 1 || chance(1, of: 2) { Self.resize(&nodes[node]!.durable, size) }
      case .grow(let size):
        if size > nodes[node]!.durable.count, style == 1 || chance(1, of: 2) {
          Self.resize(&nodes[node]!.durable, size)
        }
      }
    }
  }

  private mutating func settle(_ node: Int, _ offset: Int, _ bytes: [UInt8], keepsAll: Bool) {
    var start = 0
    while start < bytes.count {
      let sectorEnd = ((offset + start) / Self.sectorBytes + 1) * Self.sectorBytes - offset
      let end = min(bytes.count, sectorEnd)
      if keepsAll || chance(1, of: 2) {
        // Now and then only the first part of a sector.
        let isTorn = !keepsAll && chance(1, of: 8)
        let kept = isTorn ? Int(random() % UInt64(end - start)) : end - start
        Self.put(bytes[start..<start + kept], at: offset + start, into: &nodes[node]!.durable)
      }
      start = end
    }
  }

  mutating func damage(_ path: String, at offset: Int, xor mask: UInt8) -> Bool {
    guard let node = names[path], offset >= 0, offset < nodes[node]!.bytes.count else {
      return false
    }
    nodes[node]!.bytes[offset] ^= mask
    if offset < nodes[node]!.durable.count { nodes[node]!.durable[offset] ^= mask }
    return true
  }

  private static func resize(_ bytes: inout [UInt8], _ size: Int) {
    if size < bytes.count {
      bytes.removeSubrange(size...)
    } else {
      bytes.append(contentsOf: repeatElement(0, count: size - bytes.count))
    }
  }

  private static func put(_ part: ArraySlice<UInt8>, at offset: Int, into bytes: inout [UInt8]) {
    guard !part.isEmpty else { return }
    if bytes.count < offset + part.count { resize(&bytes, offset + part.count) }
    bytes.replaceSubrange(offset..<offset + part.count, with: part)
  }
}
