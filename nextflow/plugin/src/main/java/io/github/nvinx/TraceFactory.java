package io.github.nvinx;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import nextflow.Session;
import nextflow.trace.TraceObserver;
import nextflow.trace.TraceObserverFactory;
import nextflow.trace.TraceRecord;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Joins what nvinx saw of each task to what Nextflow saw. */
public class TraceFactory implements TraceObserverFactory {
    private static final Logger LOG = LoggerFactory.getLogger(TraceTable.LOGGER);
    private static final String NO_CONFIGURATION =
            "nvinx: this run has the plugin, but not nvinx's configuration, so no task waits for the"
                    + " card. Fix: nvinx nextflow config, then nextflow run ... -c nvinx.local.config";

    @Override
    public Collection<TraceObserver> create(Session session) {
        if (!isConfigured(session.getConfig())) {
            LOG.warn(NO_CONFIGURATION);
            return List.of();
        }
        return List.of(observer(new TraceTable(Path.of("").toAbsolutePath())));
    }

    /** Whether `process.ext` has the guard. */
    private static boolean isConfigured(Map<?, ?> config) {
        return config.get("process") instanceof Map<?, ?> process
                && process.get("ext") instanceof Map<?, ?> ext
                && ext.containsKey(Guard.TEXT);
    }

    /** By name, since each version of Nextflow has some methods more. */
    private static TraceObserver observer(TraceTable table) {
        InvocationHandler handler =
                (self, method, args) ->
                        switch (method.getName()) {
                            case "onProcessComplete", "onProcessCached" -> told(table, (TraceRecord) args[1]);
                            case "onFlowComplete" -> closed(table);
                            case "enableMetrics" -> false;
                            case "hashCode" -> System.identityHashCode(self);
                            case "equals" -> self == args[0];
                            case "toString" -> "nvinx";
                            default -> null;
                        };
        Class<?>[] interfaces = {TraceObserver.class};
        ClassLoader loader = TraceFactory.class.getClassLoader();
        return (TraceObserver) Proxy.newProxyInstance(loader, interfaces, handler);
    }

    private static Object told(TraceTable table, TraceRecord record) {
        if (record != null) {
            table.add(record);
            tellReport(record);
        }
        return null;
    }

    private static Object closed(TraceTable table) {
        table.close();
        return null;
    }

    /** Nextflow's own report shows a GPU where its version, 26.x, has a place for it. */
    private static void tellReport(TraceRecord record) {
        Map<String, Object> metrics = TraceTable.figures(record).asMetrics();
        if (metrics.isEmpty()) {
            return;
        }
        try {
            TraceRecord.class.getMethod("setGpuMetrics", Map.class).invoke(record, metrics);
        } catch (ReflectiveOperationException error) {
            LOG.trace("this Nextflow has no place for a GPU in its report");
        }
    }
}
