// SPDX-License-Identifier: Apache-2.0

/// What decoding values of a node takes, in steps of about a nanosecond, roughly and rather too much:
/// few bytes can nest positions within positions so that nobody would live to see the end of it.
struct NodeCost: Sendable {
  /// Of one value anywhere.
  var access: Double
  /// Of each further value of a range.
  var step: Double

  /// More than these, or than `totalMax` for all values, only damage asks for.
  static let accessMax = 0x1p22
  static let stepMax = 0x1p14
  static let totalMax = 0x1p34

  init(_ access: Double, _ step: Double) {
    self.access = access
    self.step = step
  }

  /// - Parameter count: values of the node.
  init(
    _ encoding: PageEncoding, count: Int, parameter: UInt8, a: UInt64, b: UInt64, hasStarts: Bool,
    _ children: [PageNode]
  ) {
    func child(_ index: Int) -> NodeCost {
      index < children.count ? children[index].cost : NodeCost(1, 1)
    }
    /// A search in the positions or ends that child `index` holds.
    func search(_ index: Int) -> Double {
      let number = index < children.count ? children[index].count : 0
      return Double(64 - UInt64(number).leadingZeroBitCount + 1) * child(index).access
    }
    var (access, step) = (1.0, 0.1)
    switch encoding {
    case .plain, .constant, .packed, .tiered, .nulls, .part: break
    case .patched, .decimal:
      access = child(0).access + 2 * search(1) + child(2).access
      step = child(0).step + child(1).step + child(2).step
    case .sparse:
      access = 2 * search(0) + child(1).access
      step = 0.1 + child(0).step + child(1).step
    case .runs:
      access = search(0) + child(1).access
      step = child(0).access + child(1).access
    case .delta:
      let block = Double(1 << Int(min(parameter, 31)))
      access = child(0).access + child(1).access + block * child(1).step
      step = child(1).step + child(0).access / block
    case .dictionary:
      access = child(0).access + (children.count > 1 ? child(1).access : 1)
      step = child(0).step + (children.count > 1 ? child(1).access : 1)
    case .zstd: access = 1 + Double(min(b, 1 << 24)) / 4_096
    case .scaled:
      access = child(0).access + child(1).access
      step = child(0).step + child(1).access / Double(max(a, 1))
    case .strings, .fsst, .list:
      // The start of a value is a sum of lengths: of its block, or of all before it.
      let before = hasStarts ? 256 : Double(count)
      access = child(0).access + before * child(0).step + child(1).access
      step = child(0).step + child(1).step
    default:
      for node in children {
        access += node.cost.access
        step += node.cost.step
      }
    }
    self.init(access, step)
  }

  /// Whether a page may hold a node of that many values.
  func isAcceptable(count: Int) -> Bool {
    access <= Self.accessMax && step <= Self.stepMax && step * Double(count) <= Self.totalMax
  }
}
