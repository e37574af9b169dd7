// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// A node that is to be written: its numbers, its bytes, its children.
struct EncodedNode {
  var encoding: PageEncoding
  var kind: PageKind
  var parameter: UInt8 = 0
  var count: Int
  var a: UInt64 = 0
  var b: UInt64 = 0
  var buffers: [Buffer] = []
  var children: [EncodedNode] = []

  /// Bytes of the node and those below it in a page.
  var byteCount: Int {
    var total = 32
    for buffer in buffers { total += 8 + (buffer.count + 7) & ~7 }
    for child in children { total += child.byteCount }
    return total
  }

  private var nodeCount: Int { children.reduce(1) { $0 + $1.nodeCount } }
  private var bufferCount: Int { children.reduce(buffers.count) { $0 + $1.bufferCount } }

  /// The page of which this is the root.
  func page() -> Buffer {
    let (nodes, buffers) = (nodeCount, bufferCount)
    precondition(nodes < 1 << 16 && buffers < 1 << 16, "a page has fewer than 65,536 nodes")
    let out = MutableBuffer(capacity: 8 + byteCount)
    out.put(UInt16(nodes))
    out.put(UInt16(buffers))
    out.put(UInt32(0))
    var next = 0
    putNodes(out, &next)
    var offset = 8 + nodes * 32 + buffers * 8
    putTable(out, &offset)
    putBuffers(out)
    let size = UInt32(out.count)
    // Safe: the first eight bytes are there.
    (out.base + 4).storeBytes(of: size.littleEndian, as: UInt32.self)
    return out.finish()
  }

  private func putNodes(_ out: MutableBuffer, _ nextBuffer: inout Int) {
    out.put(encoding.rawValue)
    out.put(kind.rawValue)
    out.put(UInt8(children.count))
    out.put(parameter)
    out.put(UInt16(nextBuffer))
    out.put(UInt16(buffers.count))
    out.put(UInt64(count))
    out.put(a)
    out.put(b)
    nextBuffer += buffers.count
    for child in children { child.putNodes(out, &nextBuffer) }
  }

  private func putTable(_ out: MutableBuffer, _ offset: inout Int) {
    for buffer in buffers {
      out.put(UInt32(offset))
      out.put(UInt32(buffer.count))
      offset += (buffer.count + 7) & ~7
    }
    for child in children { child.putTable(out, &offset) }
  }

  private func putBuffers(_ out: MutableBuffer) {
    for buffer in buffers {
      out.append(buffer)
      out.align()
    }
    for child in children { child.putBuffers(out) }
  }
}
