package io.github.nvinx;

import nextflow.plugin.BasePlugin;
import org.pf4j.PluginWrapper;

/** GPU tasks hold no CPU while they wait for the card, and the trace tells what they did on it. */
public class NvinxPlugin extends BasePlugin {
    public NvinxPlugin(PluginWrapper wrapper) {
        super(wrapper);
    }
}
