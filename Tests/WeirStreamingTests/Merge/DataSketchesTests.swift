// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Testing
internal import WeirColumnar
internal import WeirTable
internal import _WeirTestSupport

@testable internal import WeirStreaming

/// Sketches against Apache DataSketches' own library: the same values make the same coupons and registers,
/// and it reads what aggregation wrote.
@Suite(.enabled(if: DataSketches.python != nil, "there is no Python with datasketches"))
struct DataSketchesTests {
  private static let script = """
    import sys, datasketches as d
    for line in sys.stdin:
        kind, lg, count, text = line.split()
        lg, count = int(lg), int(count)
        ours = bytes.fromhex(text)
        s = d.hll_sketch(lg, d.tgt_hll_type.HLL_8)
        for i in range(count):
            s.update({"int": i, "text": f"v{i}", "double": i / 7}[kind])
        theirs = s.serialize_compact()
        assert ours[:4] == theirs[:4] and ours[7] == theirs[7], (line[:40], ours[:12], theirs[:12])
        start = {8: 8, 9: 12, 10: 40}[ours[7]]
        if ours[7] == 10:
            assert ours[start:] == theirs[start:], (kind, lg, count)
            assert ours[16:40] == theirs[16:40], (kind, lg, count)
        else:
            cut = lambda b: sorted(b[i:i + 4] for i in range(start, len(b), 4))
            assert cut(ours) == cut(theirs), (kind, lg, count)
        read = d.hll_sketch.deserialize(ours)
        assert abs(read.get_estimate() - count) <= max(1, 5 * 1.04 / 2 ** (lg / 2) * count), line[:40]
        print(read.get_estimate())
    """

  @Test func theLibraryHasTheSameSketches() throws {
    var lines = ""
    var estimates: [(precision: Int, estimate: Double)] = []
    for (kind, type) in [("int", DataType.int64), ("text", .utf8), ("double", .float64)] {
      for precision in [4, 7, 8, 12, 14] {
        for count in [0, 1, 7, 8, 20, 21, 24, 25, 300, 384, 385, 5_000] {
          let values = (0..<count).map { number -> Scalar in
            switch kind {
            case "int": .int(Int64(number))
            case "text": .string("v\(number)")
            default: .float64(Double(number) / 7)
            }
          }
          let lifted = try AggregateLift.sketch(precision: precision)
            .lifted(array(type, values.shuffled()), [], as: .binary)
          var sketch = HyperLogLog(precision: precision)
          for row in 0..<count {
            sketch.merge(try #require(HyperLogLog(encoded: lifted.byteArray(row))))
          }
          let text = sketch.encoded.map { hex($0) }.joined()
          lines += "\(kind) \(precision) \(count) \(text)\n"
          estimates.append((precision, sketch.estimate))
        }
      }
    }
    let answers = try run(lines).split(separator: "\n").compactMap { Double($0) }
    #expect(answers.count == estimates.count)
    // Two estimators of one state.
    for (theirs, ours) in zip(answers, estimates) {
      let sigma = 1.04 / Double(1 << ours.precision).squareRoot()
      #expect(abs(theirs - ours.estimate) <= max(1, 2 * sigma * theirs), "\(theirs) \(ours)")
    }
  }

  private func hex(_ byte: UInt8) -> String {
    let text = String(byte, radix: 16)
    return text.count == 1 ? "0" + text : text
  }

  private func run(_ input: String) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: DataSketches.python!)
    process.arguments = ["-c", Self.script]
    let (send, receive, errors) = (Pipe(), Pipe(), Pipe())
    process.standardInput = send
    process.standardOutput = receive
    process.standardError = errors
    try process.run()
    let data = Data(input.utf8)
    let writer = Thread {
      try? send.fileHandleForWriting.write(contentsOf: data)
      try? send.fileHandleForWriting.close()
    }
    writer.start()
    let text = try receive.fileHandleForReading.readToEnd() ?? Data()
    let problem = try errors.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0, "\(String(decoding: problem, as: UTF8.self))")
    return String(decoding: text, as: UTF8.self)
  }
}

/// Apache DataSketches' library.
enum DataSketches {
  /// A Python that has it: the one of the development environment, or the one that
  /// `WEIR_TEST_PYTHON` names.
  static let python: String? = {
    var root = URL(fileURLWithPath: #filePath)
    for _ in 0..<4 { root.deleteLastPathComponent() }
    let named = ProcessInfo.processInfo.environment["WEIR_TEST_PYTHON"]
    return [named, "\(root.path)/.venv/bin/python"].compactMap { $0 }.first {
      FileManager.default.isExecutableFile(atPath: $0)
    }
  }()
}
