import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.IValidationSupport;
import ca.uhn.fhir.interceptor.api.Hook;
import ca.uhn.fhir.interceptor.api.Interceptor;
import ca.uhn.fhir.interceptor.api.Pointcut;
import ca.uhn.fhir.jpa.api.config.JpaStorageSettings;
import ca.uhn.fhir.jpa.api.dao.IFhirSystemDao;
import ca.uhn.fhir.jpa.provider.JpaCapabilityStatementProvider;
import ca.uhn.fhir.jpa.provider.JpaSystemProvider;
import ca.uhn.fhir.jpa.search.DatabaseBackedPagingProvider;
import ca.uhn.fhir.jpa.test.config.TestR4Config;
import ca.uhn.fhir.rest.api.EncodingEnum;
import ca.uhn.fhir.rest.server.HardcodedServerAddressStrategy;
import ca.uhn.fhir.rest.server.RestfulServer;
import ca.uhn.fhir.rest.server.exceptions.AuthenticationException;
import ca.uhn.fhir.rest.server.provider.ResourceProviderFactory;
import ca.uhn.fhir.rest.server.util.ISearchParamRegistry;
import jakarta.servlet.http.HttpServletRequest;
import java.net.InetSocketAddress;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;
import org.springframework.context.ApplicationContext;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;

/**
 * HAPI FHIR's JPA server for R4 on H2 in memory, at http://127.0.0.1:PORT/fhir; empty at the start.
 *
 * <p>The argument is the port. Where the environment holds FHIR_TOKEN, every request must show it.
 */
public final class HapiServer {

  public static void main(String[] arguments) throws Exception {
    int port = Integer.parseInt(arguments[0]);
    String base = "http://127.0.0.1:" + port + "/fhir";
    RestfulServer fhir = fhirServer(new AnnotationConfigApplicationContext(TestR4Config.class));
    fhir.setServerAddressStrategy(new HardcodedServerAddressStrategy(base));
    String token = System.getenv("FHIR_TOKEN");
    if (token != null) {
      fhir.registerInterceptor(new TokenRequired(token));
    }
    Server server = new Server(new InetSocketAddress("127.0.0.1", port));
    ServletContextHandler handler = new ServletContextHandler("/");
    handler.addServlet(new ServletHolder(fhir), "/fhir/*");
    server.setHandler(handler);
    server.start();
    System.out.println("HAPI FHIR answers at " + base);
    server.join();
  }

  private static RestfulServer fhirServer(ApplicationContext spring) {
    JpaStorageSettings settings = spring.getBean(JpaStorageSettings.class);
    // The example charts name practitioners that they do not hold.
    settings.setEnforceReferentialIntegrityOnWrite(false);
    RestfulServer server = new RestfulServer(spring.getBean(FhirContext.class));
    server.setDefaultResponseEncoding(EncodingEnum.JSON);
    server.setPagingProvider(spring.getBean(DatabaseBackedPagingProvider.class));
    server.registerProviders(
        spring.getBean("myResourceProvidersR4", ResourceProviderFactory.class).createProviders());
    server.registerProvider(spring.getBean(JpaSystemProvider.class));
    server.setServerConformanceProvider(
        new JpaCapabilityStatementProvider(
            server,
            spring.getBean("mySystemDaoR4", IFhirSystemDao.class),
            settings,
            spring.getBean(ISearchParamRegistry.class),
            spring.getBean("myJpaValidationSupportChain", IValidationSupport.class)));
    return server;
  }

  /** Refuses with 401 what does not show the token. */
  @Interceptor
  public static final class TokenRequired {
    private final String expected;

    TokenRequired(String token) {
      expected = "Bearer " + token;
    }

    @Hook(Pointcut.SERVER_INCOMING_REQUEST_PRE_PROCESSED)
    public void refuse(HttpServletRequest request) {
      if (!expected.equals(request.getHeader("Authorization"))) {
        throw new AuthenticationException("this server asks for its token");
      }
    }
  }
}
