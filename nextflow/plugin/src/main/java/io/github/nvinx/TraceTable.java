package io.github.nvinx;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import nextflow.trace.TraceRecord;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** nvinx-trace.txt: a line for each task, Nextflow's usual columns first, and then ours. */
final class TraceTable {
    /** Nextflow's console shows what loggers of this beginning say. */
    static final String LOGGER = "nextflow.nvinx";

    private static final Logger LOG = LoggerFactory.getLogger(LOGGER);
    private static final List<String> USUAL =
            List.of(
                    "task_id",
                    "hash",
                    "native_id",
                    "name",
                    "status",
                    "exit",
                    "submit",
                    "duration",
                    "realtime",
                    "%cpu",
                    "peak_rss",
                    "peak_vmem",
                    "rchar",
                    "wchar");

    private final Path file;
    private final List<TraceRecord> awaited = new ArrayList<>();

    TraceTable(Path folder) {
        file = folder.resolve("nvinx-trace.txt");
        write(
                Stream.concat(USUAL.stream(), Figures.NAMES.stream()).collect(Collectors.joining("\t")),
                StandardOpenOption.CREATE,
                StandardOpenOption.TRUNCATE_EXISTING,
                StandardOpenOption.WRITE);
    }

    /** A task has ended. Its figures may come a moment later, and then stand at the end. */
    synchronized void add(TraceRecord record) {
        if (record.getWorkDir() != null && Figures.areAwaited(Path.of(record.getWorkDir()))) {
            awaited.add(record);
        } else {
            write(line(record), StandardOpenOption.APPEND);
        }
    }

    synchronized void close() {
        awaited.forEach(record -> write(line(record), StandardOpenOption.APPEND));
        awaited.clear();
    }

    private static String line(TraceRecord record) {
        Figures figures = figures(record);
        return Stream.concat(
                        USUAL.stream().map(record::getFmtStr), Figures.NAMES.stream().map(figures::get))
                .map(TraceTable::plain)
                .collect(Collectors.joining("\t"));
    }

    static Figures figures(TraceRecord record) {
        return Figures.in(Path.of(record.getWorkDir() == null ? "" : record.getWorkDir()));
    }

    private static String plain(String value) {
        return value == null ? "-" : value.replaceAll("\\s+", " ");
    }

    /** What cannot be written is not worth failing a run. */
    private void write(String line, StandardOpenOption... how) {
        try {
            Files.writeString(file, line + "\n", how);
        } catch (IOException error) {
            LOG.warn("nvinx: {} cannot be written ({})", file, error.getMessage());
        }
    }
}
