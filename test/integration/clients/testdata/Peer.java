import java.io.IOException;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** One peer of the shared-memory test, in Java: see peer.c for what a peer does and how it is started. */
public final class Peer {
    private static final int SIZE = 8192;
    private static final int ARRIVED = 0;
    private static final int COUNTER = 128;
    private static final int LOCK = 256;
    private static final int GUARDED = 384;
    private static final int TURN = 512;
    private static final int MESSAGE = 4096;

    private static final VarHandle WORD =
            MethodHandles.byteBufferViewVarHandle(long[].class, ByteOrder.nativeOrder());

    private Peer() {}

    private static void await(MappedByteBuffer memory, int offset, long value) {
        while ((long) WORD.getAcquire(memory, offset) != value) {
            Thread.yield();
        }
    }

    private static void lock(MappedByteBuffer memory) {
        while (!WORD.compareAndSet(memory, LOCK, 0L, 1L)) {
            Thread.yield();
        }
    }

    public static void main(String[] arguments) throws IOException {
        Path path = Path.of(arguments[0]);
        long index = Long.parseLong(arguments[1]);
        long peers = Long.parseLong(arguments[2]);
        long additions = Long.parseLong(arguments[3]);
        long turns = Long.parseLong(arguments[4]);
        MappedByteBuffer memory;
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            memory = channel.map(FileChannel.MapMode.READ_WRITE, 0, SIZE);
        }
        memory.order(ByteOrder.nativeOrder());

        long ignored = (long) WORD.getAndAdd(memory, ARRIVED, 1L);
        await(memory, ARRIVED, peers);

        for (long i = 0; i < additions; i++) {
            ignored = (long) WORD.getAndAdd(memory, COUNTER, 1L);
        }

        for (long i = 0; i < additions / 100; i++) {
            lock(memory);
            memory.putLong(GUARDED, memory.getLong(GUARDED) + 1);
            WORD.setRelease(memory, LOCK, 0L);
        }

        for (long i = 0; i < turns; i++) {
            long turn = i * peers + index;
            await(memory, TURN, turn);
            memory.putLong(MESSAGE, memory.getLong(MESSAGE) * 31 + index + 1);
            WORD.setRelease(memory, TURN, turn + 1);
        }
    }
}
