// SPDX-License-Identifier: Apache-2.0
// Safe: names are remembered as offsets into the reader's text, which lives as long as this; `known`
// reads up to `end` only.

#if canImport(Glibc)
  internal import Glibc
#endif

/// The tree of all orders of names seen in a text: a node is a name after the names above it.
///
/// Bounded in nodes, depth and branches; past the bounds objects keep names of their own.
struct JSONShapes {
  static let root = 0
  private static let nodeCountMax = 4096
  private static let depthMax = 64
  private static let branchCountMax = 32

  private struct Node {
    var offset = 0
    var length = 0
    var parent = -1
    var depth = 0
    /// The child that was taken last, tried first.
    var recent = -1
    var firstChild = -1
    var nextSibling = -1
    var childCount = 0
  }

  private var nodes = [Node()]
  private var nodeNames = [""]
  private var sharedNames: [JSONObject.Names?] = [nil]

  @inline(__always)
  func nameLength(_ node: Int) -> Int { nodes[node].length }

  /// The child of `node` whose name, with its closing quote, stands at `offset`.
  @inline(__always)
  mutating func known(
    after node: Int, _ base: UnsafeRawPointer, _ end: Int, _ offset: Int
  ) -> Int? {
    let recent = nodes[node].recent
    if recent < 0 { return nil }
    if matches(recent, base, end, offset) { return recent }
    return search(node, base, end, offset)
  }

  @inline(__always)
  private func matches(_ node: Int, _ base: UnsafeRawPointer, _ end: Int, _ offset: Int) -> Bool {
    let length = nodes[node].length
    return end - offset > length
      && base.load(fromByteOffset: offset + length, as: UInt8.self) == UInt8(ascii: "\"")
      && memcmp(base + nodes[node].offset, base + offset, length) == 0
  }

  @inline(never)
  private mutating func search(
    _ node: Int, _ base: UnsafeRawPointer, _ end: Int, _ offset: Int
  ) -> Int? {
    var previous = -1
    var child = nodes[node].firstChild
    while child >= 0 {
      let next = nodes[child].nextSibling
      if matches(child, base, end, offset) {
        // To the front: shapes that take turns are found within a few steps.
        if previous >= 0 {
          nodes[previous].nextSibling = next
          nodes[child].nextSibling = nodes[node].firstChild
          nodes[node].firstChild = child
        }
        nodes[node].recent = child
        return child
      }
      previous = child
      child = next
    }
    return nil
  }

  /// A new node; `nil` when a bound is reached, when `name` is above already, or when its text is
  /// not its bytes (escapes).
  mutating func add(_ name: String, after parent: Int, offset: Int, length: Int) -> Int? {
    guard nodes.count < Self.nodeCountMax, nodes[parent].depth < Self.depthMax,
      nodes[parent].childCount < Self.branchCountMax, name.utf8.count == length,
      !contains(name, upFrom: parent)
    else { return nil }
    let node = nodes.count
    nodes.append(
      Node(
        offset: offset, length: length, parent: parent, depth: nodes[parent].depth + 1,
        nextSibling: nodes[parent].firstChild))
    nodeNames.append(name)
    sharedNames.append(nil)
    nodes[parent].firstChild = node
    nodes[parent].recent = node
    nodes[parent].childCount += 1
    return node
  }

  private func contains(_ name: String, upFrom node: Int) -> Bool {
    var node = node
    while node > 0 {
      if nodeNames[node] == name { return true }
      node = nodes[node].parent
    }
    return false
  }

  /// The names from the root down to `node`.
  func names(_ node: Int) -> [String] {
    var result: [String] = []
    var node = node
    while node > 0 {
      result.append(nodeNames[node])
      node = nodes[node].parent
    }
    result.reverse()
    return result
  }

  mutating func shared(_ node: Int) -> JSONObject.Names {
    if let names = sharedNames[node] { return names }
    let made = JSONObject.Names(names(node))
    sharedNames[node] = made
    return made
  }
}
