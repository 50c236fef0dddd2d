package io.github.nvinx;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What nvinx saw of a task on the card: lines of name=value in the task's folder. */
final class Figures {
    static final List<String> NAMES =
            List.of(
                    "placement",
                    "gpu",
                    "gpu_uuid",
                    "gpu_name",
                    "vram_declared_mb",
                    "vram_peak_mb",
                    "gpu_use_mean",
                    "gpu_use_peak",
                    "gpu_partners",
                    "gpu_waited_s",
                    "gpu_waited_for",
                    "gpu_held_s",
                    "gpu_outcome");
    private static final String FILE = ".nvinx.trace";
    private static final String ASKED = ".nvinx.env";
    private static final double MIB_IN_MB = 1.048576;

    private final Map<String, String> said = new LinkedHashMap<>();

    /** Empty where the task took no lease, or nobody could write it down. */
    static Figures in(Path folder) {
        Figures found = new Figures();
        try {
            for (String line : Files.readAllLines(folder.resolve(FILE))) {
                int sign = line.indexOf('=');
                if (sign > 0) {
                    found.said.put(line.substring(0, sign), line.substring(sign + 1));
                }
            }
        } catch (IOException error) {
            found.said.clear();
        }
        return found;
    }

    /** Whether figures of a task that had a lease have still to be written. */
    static boolean areAwaited(Path folder) {
        return Files.exists(folder.resolve(ASKED)) && !Files.exists(folder.resolve(FILE));
    }

    String get(String name) {
        return said.getOrDefault(name, "-");
    }

    /** In the words of Nextflow's own report; empty where the card was not used. */
    Map<String, Object> asMetrics() {
        Map<String, Object> found = new LinkedHashMap<>();
        if (said.containsKey("gpu_name")) {
            found.put("name", said.get("gpu_name"));
            number(found, "pct", "gpu_use_mean", 1);
            number(found, "peak", "gpu_use_peak", 1);
            number(found, "peak_mem_used", "vram_peak_mb", 1 / MIB_IN_MB);
        }
        return found;
    }

    private void number(Map<String, Object> found, String theirs, String ours, double factor) {
        if (said.containsKey(ours)) {
            found.put(theirs, Math.round(Double.parseDouble(said.get(ours)) * factor));
        }
    }
}
