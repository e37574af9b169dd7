// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// A projected column while its rows are decoded: the schema's tree with what collects each node.
///
/// The collectors live as long as the scan; the leaf readers of a row group write to them.
indirect enum ColumnAssembly {
  case leaf(Field, LeafColumn, LeafSink)
  /// `state` is nil for a struct that cannot be null.
  case structure(Field, [ColumnAssembly], NestedState?)
  case list(Field, ColumnAssembly, NestedState)

  /// A leaf with the nested nodes that take their levels from it.
  struct LeafWork {
    let leaf: LeafColumn
    let field: Field
    let sink: LeafSink
    let nodes: [NestedState]
  }

  static func make(
    _ node: SchemaNode, options: ParquetReadOptions, work: inout [LeafWork]
  ) -> ColumnAssembly {
    make(node, options, [], &work, .plain)
  }

  /// What a node is to the map around it.
  private enum Role { case plain, entries, key }

  private static func make(
    _ node: SchemaNode, _ options: ParquetReadOptions, _ above: [NestedState],
    _ work: inout [LeafWork], _ role: Role
  ) -> ColumnAssembly {
    let slotCountMax = options.columnByteCountMax / 8
    switch node {
    case .leaf(let field, let leaf):
      let plan = LeafTypes.plan(leaf, type: field.type, int96Unit: options.int96Unit)
      let sink = LeafSink(
        // Keys that some writers mark as optional: null ones must not pass for empty ones.
        layout: plan.layout, nullable: field.nullable || field.type == .null || role == .key,
        isText: plan.isText && options.validatesText,
        byteCountMax: options.columnByteCountMax)
      work.append(LeafWork(leaf: leaf, field: field, sink: sink, nodes: above))
      return .leaf(field, leaf, sink)
    case .structure(let field, let children, let info):
      var states = above
      var own: NestedState?
      if field.nullable {
        let state = NestedState(
          info, isList: false, nullable: true, leafRepetitionMax: node.firstLeaf.repetitionMax,
          slotCountMax: slotCountMax)
        states.append(state)
        own = state
      }
      var built: [ColumnAssembly] = []
      for (index, child) in children.enumerated() {
        let role = role == .entries && index == 0 ? Role.key : .plain
        built.append(make(child, options, index == 0 ? states : [], &work, role))
      }
      return .structure(field, built, own)
    case .list(let field, let item, let info):
      let state = NestedState(
        info, isList: true, nullable: field.nullable,
        leafRepetitionMax: node.firstLeaf.repetitionMax, slotCountMax: slotCountMax)
      let isMap = if case .map = field.type { true } else { false }
      return .list(
        field, make(item, options, above + [state], &work, isMap ? .entries : .plain), state)
    }
  }

  /// The batch's array; all collectors start again empty.
  ///
  /// - Parameter parent: which rows of the struct around it are valid; `nil` for all.
  func finish(within parent: Buffer? = nil) throws(ParquetError) -> ArrayData {
    switch self {
    case .leaf(let field, let leaf, let sink):
      let count = sink.slotCount
      let array = sink.finish(type: field.type == .null ? .int32 : field.type)
      guard field.type == .null else { return array }
      guard array.nullCount == count else {
        throw ParquetError(
          .damaged, "a column of the null type holds values", column: leaf.path)
      }
      return ArrayData(type: .null, length: count)
    case .structure(let field, let children, let state):
      let slotCount = state?.slotCount
      let (validity, nullCount) = state?.finishValidity() ?? (nil, 0)
      var arrays: [ArrayData] = []
      for child in children { arrays.append(try child.finish(within: validity ?? parent)) }
      let count = slotCount ?? arrays[0].length
      for array in arrays where array.length != count {
        throw ParquetError(
          .damaged, "the fields of a struct have \(count) and \(array.length) rows",
          column: field.name)
      }
      return ArrayData(
        type: field.type, length: count, nullCount: nullCount, validity: validity, children: arrays)
    case .list(let field, let item, let state):
      let items = try item.finish()
      guard items.length == state.itemCount else {
        throw ParquetError(
          .damaged, "a list's levels say \(state.itemCount) items, its values are \(items.length)",
          column: field.name)
      }
      return try finishList(field, items, state, parent)
    }
  }

  private func finishList(
    _ field: Field, _ items: ArrayData, _ state: NestedState, _ parent: Buffer?
  ) throws(ParquetError) -> ArrayData {
    let count = state.slotCount
    if case .fixedSizeList(_, let size) = field.type {
      let offsets = try state.finishOffsets(width: 8)
      let (validity, nullCount) = state.finishValidity()
      let full = try FixedSizeLists.items(
        items, offsets: offsets, validity: validity ?? parent, count: count, size: size,
        field: field,
        itemCountMax: state.slotCountMax)
      return ArrayData(
        type: field.type, length: count, nullCount: nullCount, validity: validity, children: [full])
    }
    if case .map = field.type, items.children[0].nullCount > 0 {
      throw ParquetError(.damaged, "a map has a null for a key", column: field.name)
    }
    let width = if case .list(let width) = field.type.layout { width } else { 4 }
    let offsets = try state.finishOffsets(width: width)
    let (validity, nullCount) = state.finishValidity()
    return ArrayData(
      type: field.type, length: count, nullCount: nullCount, validity: validity,
      buffers: [offsets], children: [items])
  }

  func reset() {
    switch self {
    case .leaf(_, _, let sink): sink.reset()
    case .structure(_, let children, let state):
      state?.reset()
      for child in children { child.reset() }
    case .list(_, let item, let state):
      state.reset()
      item.reset()
    }
  }
}
